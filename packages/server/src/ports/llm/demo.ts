import type { Clock } from "../../kit/clock.ts";
import { estimateTokens } from "../../kit/tokens.ts";
import { readScene } from "./demo/prompt.ts";
import { writeReply } from "./demo/reply.ts";
import type { Llm, LlmEnd, LlmRequest } from "./llm.ts";

/** Short enough to be pleasant, long enough to be seen as a stream. */
const PIECE_EVERY_MS = 20;
const CONTEXT_TOKENS = 32_000;
/** Writing without spaces comes in pieces of so many characters. */
const PIECE_LENGTH = 6;

/**
 * The model that needs no provider: rules that make the best of the card and the conversation that they
 * are given, and say plainly that they are a demo. The same prompt and
 * variation always give the same reply.
 */
export function createDemoLlm(uses: { clock: Clock }): Llm {
  return {
    name: "demo",
    address: null,
    generate: (request, onText, signal) => generate(uses.clock, request, onText, signal),
    models: async () => [{ id: "demo", contextTokens: CONTEXT_TOKENS }],
  };
}

function generate(
  clock: Clock,
  request: LlmRequest,
  onText: (text: string) => void,
  signal: AbortSignal,
): Promise<LlmEnd> {
  if (signal.aborted) return Promise.resolve({ kind: "aborted" });
  const { pieces, isWhole } = cut(request);
  const { promise, resolve } = Promise.withResolvers<LlmEnd>();
  let cancel = () => {};
  const end = (how: LlmEnd) => {
    cancel();
    signal.removeEventListener("abort", abort);
    resolve(how);
  };
  const abort = () => end({ kind: "aborted" });
  const give = (i: number) => {
    const piece = pieces[i];
    if (piece === undefined) {
      return end({ kind: "completed", finishReason: isWhole ? "stop" : "length", usage: null });
    }
    cancel = clock.after(PIECE_EVERY_MS, () => {
      onText(piece);
      if (!signal.aborted) give(i + 1);
    });
  };
  signal.addEventListener("abort", abort);
  give(0);
  return promise;
}

/** The reply in pieces, as far as its tokens and its stop texts go. */
function cut({ messages, replyTokensMax, settings, variation = 0 }: LlmRequest): {
  pieces: string[];
  isWhole: boolean;
} {
  const reply = untilStop(
    writeReply(readScene(messages), variation).toWellFormed().replaceAll("\0", "\ufffd"),
    settings.stop,
  );
  const pieces: string[] = [];
  let tokens = 0;
  for (const [piece] of reply.matchAll(new RegExp(`\\S{1,${PIECE_LENGTH}}\\s*|\\s+`, "gsu"))) {
    tokens += estimateTokens(piece);
    if (tokens > replyTokensMax) return { pieces, isWhole: false };
    pieces.push(piece);
  }
  return { pieces, isWhole: true };
}

function untilStop(text: string, stops: readonly string[] = []): string {
  const places = stops.map((stop) => text.indexOf(stop)).filter((place) => place >= 0);
  return places.length === 0 ? text : text.slice(0, Math.min(...places));
}
