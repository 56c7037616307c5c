import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import type { TurnEvent } from "@parley-chat/sdk";
import { OWNER_KEY } from "../rig/server.ts";
import { createScreen, type Screen } from "./screen.ts";
import { until } from "./until.ts";

export interface StreamOptions {
  after?: string;
  lastEventId?: string;
  token?: string;
  /** Cuts the socket once so many bytes of the body have come. */
  cutAfterBytes?: number;
  /** Stops reading once so many bytes of the body have come, and goes on when `until` resolves. */
  pause?: { afterBytes: number; until(): Promise<unknown> };
  /** Reads nothing of the body. */
  isDeaf?: boolean;
  /** Goes on with what another connection showed. */
  screen?: Screen;
  /** A POST with this body in place of the GET. */
  post?: { path: string; body: unknown };
}

/** One connection to the events of a turn, read byte by byte by hand. */
export interface Stream {
  /** Resolves with status and headers; rejects where none came. */
  answered: Promise<{ status: number; headers: IncomingHttpHeaders }>;
  events: TurnEvent[];
  /** Comment lines. */
  comments: string[];
  /** The whole body so far. */
  body(): string;
  screen: Screen;
  /** Resolves when the body has ended: whether as it should. */
  closed: Promise<"ended" | "broken">;
  /** Resolves with the n-th event of a type. */
  event<T extends TurnEvent["type"]>(type: T, nth?: number): Promise<Extract<TurnEvent, { type: T }>>;
  cut(): void;
}

/** Opens the events of a turn. Whatever is not to the letter of the wire is a violation of its screen. */
export function openStream(server: { url: string }, turnId: string, options: StreamOptions = {}): Stream {
  const screen = options.screen ?? createScreen();
  screen.connect(options.after ?? options.lastEventId ?? null);
  const events: TurnEvent[] = [];
  const comments: string[] = [];
  const call = ask(server, turnId, options);
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    call.once("response", resolve);
    call.once("error", reject);
  });
  answer.catch(() => {});
  call.on("error", () => {});
  const answered = answer.then(({ statusCode, headers }) => ({ status: statusCode as number, headers }));
  answered.catch(() => {});

  const chunks: Buffer[] = [];
  let { pause } = options;
  let bytes = 0;
  let rest = "";
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const take = (chunk: Buffer) => {
    const left = (options.cutAfterBytes ?? Number.POSITIVE_INFINITY) - bytes;
    const kept = chunk.length > left ? chunk.subarray(0, left) : chunk;
    bytes += kept.length;
    chunks.push(kept);
    rest += decoder.decode(kept, { stream: true });
    const blocks = rest.split("\n\n");
    rest = blocks.pop() as string;
    for (const block of blocks) takeBlock(block);
    if (kept.length === left) call.destroy();
  };
  const takeBlock = (block: string) => {
    if (block.startsWith(":")) return void comments.push(block);
    const event = readBlock(block, screen);
    if (!event) return;
    events.push(event);
    screen.apply(event);
  };

  const closed = answer.then(
    (response) =>
      new Promise<"ended" | "broken">((resolve) => {
        response.once("end", () => resolve("ended"));
        response.once("error", () => resolve("broken"));
        response.once("close", () => resolve("broken"));
        if (options.isDeaf) return;
        response.on("data", (chunk: Buffer) => {
          take(chunk);
          if (!pause || bytes < pause.afterBytes) return;
          response.pause();
          void pause.until().finally(() => response.resume());
          pause = undefined;
        });
      }),
    () => "broken" as const,
  );

  return {
    answered,
    events,
    comments,
    body: () => Buffer.concat(chunks).toString(),
    screen,
    closed,
    event: (type, nth = 1) =>
      until(`event ${nth} of ${type}`, () => events.filter((event) => event.type === type)[nth - 1] as never),
    cut: () => void call.destroy(),
  };
}

function ask(server: { url: string }, turnId: string, options: StreamOptions): ClientRequest {
  const { after, lastEventId, token = OWNER_KEY, post } = options;
  const query = after === undefined ? "" : `?after=${encodeURIComponent(after)}`;
  const url = new URL(post?.path ?? `/api/v2/turns/${turnId}/events${query}`, server.url);
  const call = request(url, {
    agent: false,
    method: post ? "POST" : "GET",
    headers: {
      accept: "text/event-stream",
      authorization: `Bearer ${token}`,
      ...(lastEventId !== undefined && { "last-event-id": lastEventId }),
      ...(post && { "content-type": "application/json" }),
    },
  });
  call.end(post && JSON.stringify(post.body));
  return call;
}

/** Reads one block as native-api.md has it: event, id where there is a cursor, data on one line. */
function readBlock(block: string, screen: Screen): TurnEvent | null {
  const wrong = (what: string) => screen.wrong(`${what}: ${block.slice(0, 200)}`);
  const match = /^event: ([a-z.]+)\n(?:id: ([^\n]*)\n)?data: ([^\n]*)$/.exec(block);
  if (!match) {
    wrong("a block that is not event, id and data");
    return null;
  }
  const event = JSON.parse(match[3] as string) as TurnEvent;
  if (event.type !== match[1]) wrong("an event name that is not its type");
  if (("cursor" in event ? event.cursor : undefined) !== match[2]) wrong("an id that is not the cursor");
  return event;
}

/** Follows a turn to its end. */
export async function follow(
  server: { url: string },
  turnId: string,
  options: StreamOptions = {},
): Promise<Stream> {
  const stream = openStream(server, turnId, options);
  await until(`the end of turn ${turnId}`, () => stream.screen.end);
  return stream;
}
