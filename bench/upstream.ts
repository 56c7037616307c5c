/**
 * A provider that speaks the OpenAI wire and costs little. By itself it answers with one event and the
 * terminal marker. Told to `hold`, it opens streams and waits: `pace` sends so many events to each at
 * even intervals (`isStamped`: with number and time in each, see `lib/stamp.ts`), `finish` ends them all.
 */
import type { ServerResponse } from "node:http";
import { MARK } from "./lib/mark.ts";
import { answerJson, eventStreamHeaders, readBody, serve } from "./lib/serve.ts";
import { NO_STAMP, stamp } from "./lib/stamp.ts";

const TICK_MS = 5;
/** A thousand streams do not speak in step: what is looked at one by one comes one by one. */
const STAMPED_TICK_MS = 1;

const chunk = (delta: object, finish: string | null = null) =>
  Buffer.from(
    `data: ${JSON.stringify({
      id: "chatcmpl-0123456789abcdef",
      object: "chat.completion.chunk",
      created: 1_700_000_000,
      model: "bench",
      choices: [{ index: 0, delta, finish_reason: finish }],
    })}\n\n`,
  );
const FIRST = chunk({ role: "assistant", content: "" });
const EVENT = chunk({ content: ` token${MARK}` });
const STAMPED = chunk({ content: `${NO_STAMP}${MARK}` });
const STAMP_AT = STAMPED.indexOf(NO_STAMP);
const LAST = Buffer.concat([chunk({}, "stop"), Buffer.from("data: [DONE]\n\n")]);
const MODELS = JSON.stringify({ object: "list", data: [{ id: "bench", object: "model" }] });

let isHolding = false;
let held: ServerResponse[] = [];

serve((request, response) => {
  if (request.method === "GET") return answerJson(response, 200, MODELS);
  readBody(request, () => {
    response.writeHead(200, eventStreamHeaders);
    if (!isHolding) return response.end(Buffer.concat([FIRST, EVENT, LAST]));
    response.write(FIRST);
    response.write(EVENT);
    held.push(response);
  });
});

function stamped(number: number): Buffer {
  const event = Buffer.from(STAMPED);
  event.write(stamp(number), STAMP_AT, "latin1");
  return event;
}

interface Pace {
  events: number;
  everyMs: number;
  isStamped?: boolean;
}

/** Spreads the writes over time instead of sending all streams at once. */
function pace({ events, everyMs, isStamped = false }: Pace): void {
  const startedAt = performance.now();
  const total = events * held.length;
  let sent = 0;
  const timer = setInterval(
    () => {
      const due = Math.min(total, Math.floor(((performance.now() - startedAt) / everyMs) * held.length));
      for (; sent < due; sent++) {
        held[sent % held.length]?.write(isStamped ? stamped(Math.floor(sent / held.length)) : EVENT);
      }
      if (sent < total) return;
      clearInterval(timer);
      process.send?.({ paced: sent });
    },
    isStamped ? STAMPED_TICK_MS : TICK_MS,
  );
}

process.on("message", (told: { hold?: boolean; pace?: Pace; finish?: true }) => {
  if (told.hold !== undefined) {
    isHolding = told.hold;
    process.send?.({ holding: isHolding });
  }
  if (told.pace) pace(told.pace);
  if (told.finish) {
    for (const response of held) response.end(LAST);
    held = [];
  }
});
