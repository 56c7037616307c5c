import {
  type AnswersFile,
  type Contract,
  contract,
  type Input,
  type Output,
  Problem,
  type ProblemDocument,
  problems,
  type Route,
  type RouteTable,
  type SentFile,
  type TakesFile,
  type TurnEvent,
  turnEvents,
} from "./contract/index.ts";
import { readEvents } from "./event-source.ts";

export interface ClientSettings {
  /** Where the server is, e.g. `http://localhost:8666`. */
  baseUrl: string;
  /** An access token or an API key, or a function that gives the present one. */
  token?: string | (() => string | undefined);
  fetch?: typeof globalThis.fetch;
}

export interface CallOptions {
  /** Makes a POST or PATCH safe to repeat for 7 days. 1 to 255 printable ASCII characters. */
  idempotencyKey?: string;
  /** The version that a change is meant for, e.g. `"3"` with its quotes. */
  ifMatch?: string;
  requestId?: string;
  signal?: AbortSignal;
}

/** A file to send. Without a `type` it is the Blob's own, else told by the first byte. */
export interface FileToSend {
  file: Blob | Uint8Array;
  type?: string;
}

type Sent<R extends Route> = R extends TakesFile ? Omit<Input<R>, keyof SentFile> & FileToSend : Input<R>;
type Received<R extends Route> = R extends AnswersFile ? Blob : Output<R>;
type Method<R extends Route> =
  object extends Sent<R>
    ? (input?: Sent<R>, options?: CallOptions) => Promise<Received<R>>
    : (input: Sent<R>, options?: CallOptions) => Promise<Received<R>>;
type Methods<T extends RouteTable> = { readonly [K in keyof T]: Method<T[K]> };

export interface EventsOptions {
  /** A cursor from an event: the stream goes on from exactly there. */
  after?: string;
  signal?: AbortSignal;
  /** How often a broken stream is taken up again; default 10. */
  retriesMax?: number;
}

/** The native API as an object: a method for every route, typed by the contract. */
export type Client = { readonly [N in keyof Contract]: Methods<Contract[N]> } & {
  /**
   * The events of a turn until it has ended. A connection that breaks is taken up at the last cursor,
   * so the text arrives without gap or overlap; `reply.reset` says where it begins again.
   */
  events(turnId: string, options?: EventsOptions): AsyncGenerator<TurnEvent, void, undefined>;
};

/**
 * Makes a client. Every method resolves with the answer's body and rejects with a `Problem` (its `code`
 * says what is wrong); a network failure rejects with what `fetch` threw.
 */
export function createClient(settings: ClientSettings): Client {
  const call = (route: Route) => (input?: unknown, options?: CallOptions) =>
    request(settings, route, input, options);
  const nouns = Object.entries(contract).map(([noun, routes]) => [
    noun,
    Object.fromEntries(Object.entries(routes as RouteTable).map(([name, route]) => [name, call(route)])),
  ]);
  const client = Object.fromEntries(nouns) as Client;
  return { ...client, events: (turnId, options) => follow(settings, turnId, options) };
}

async function request(settings: ClientSettings, route: Route, input: unknown, options: CallOptions = {}) {
  const { url, rest } = place(settings, route, (input ?? {}) as Record<string, unknown>);
  const body = route.fileTypes ? asFile(rest) : route.body && asJson(rest);
  const response = await (settings.fetch ?? fetch)(url, {
    method: route.method,
    headers: {
      ...credentials(settings),
      ...(body !== undefined && { "content-type": body.type }),
      ...(options.idempotencyKey !== undefined && { "idempotency-key": options.idempotencyKey }),
      ...(options.ifMatch !== undefined && { "if-match": options.ifMatch }),
      ...(options.requestId !== undefined && { "x-request-id": options.requestId }),
    },
    ...(body !== undefined && { body: body.data }),
    ...(options.signal && { signal: options.signal }),
  });
  if (!response.ok) throw await problemOf(response);
  if (route.answersFile) return response.blob();
  return response.status === 204 ? undefined : response.json();
}

const asJson = (value: unknown) => ({ type: "application/json", data: JSON.stringify(value) });

const PNG_FIRST_BYTE = 0x89;

function asFile(rest: Record<string, unknown>): { type: string; data: Blob | Uint8Array<ArrayBuffer> } {
  const { file, type } = rest as unknown as FileToSend;
  if (file instanceof Uint8Array) {
    const told = type ?? (file[0] === PNG_FIRST_BYTE ? "image/png" : "application/json");
    return { type: told, data: file as Uint8Array<ArrayBuffer> };
  }
  return { type: type ?? (file.type || "application/json"), data: file };
}

function credentials(settings: ClientSettings): Record<string, string> {
  const token = typeof settings.token === "function" ? settings.token() : settings.token;
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/** Splits an input into path and query as the route has them, and the rest, which is the body. */
function place(settings: ClientSettings, route: Route, input: Record<string, unknown>) {
  const rest = { ...input };
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = String(rest[name]);
    delete rest[name];
    return encodeURIComponent(value);
  });
  const url = new URL(settings.baseUrl.replace(/\/+$/, "") + path);
  for (const name of Object.keys(route.query?.properties ?? {})) {
    if (rest[name] !== undefined) url.searchParams.set(name, String(rest[name]));
    delete rest[name];
  }
  return { url, rest };
}

/** The problem that an answer holds; an answer of something in between becomes `internal`. */
async function problemOf(response: Response): Promise<Problem> {
  const document = (await response.json().catch(() => null)) as ProblemDocument | null;
  if (document === null || !(document.code in problems)) {
    return new Problem("internal", `The server answered ${response.status} without saying why.`);
  }
  return Problem.fromDocument(document);
}

const RETRIES_MAX = 10;
const RETRY_MS_MAX = 5_000;
/** As long as a `Retry-After` is heeded. */
const RETRY_AFTER_S_MAX = 300;

async function* follow(
  settings: ClientSettings,
  turnId: string,
  options: EventsOptions = {},
): AsyncGenerator<TurnEvent, void, undefined> {
  let after = options.after;
  const retriesMax = options.retriesMax ?? RETRIES_MAX;
  for (let tries = 0; ; tries++) {
    let retryAfterS = 0;
    try {
      for await (const event of connect(settings, turnId, after, options.signal)) {
        // Only what brings the reply forward makes up for a break.
        if ("cursor" in event) {
          if (event.cursor !== after) tries = 0;
          after = event.cursor;
        }
        yield event;
        if (event.type.startsWith("turn.") && event.type !== "turn.started") return;
      }
    } catch (error) {
      const isFinal = error instanceof Problem && !error.retryable;
      if (isFinal || options.signal?.aborted || tries >= retriesMax) throw error;
      if (error instanceof Problem) retryAfterS = Math.min(error.retryAfterS ?? 0, RETRY_AFTER_S_MAX);
    }
    if (tries >= retriesMax) throw new Problem("internal", "The stream broke off again and again.");
    const jitterMs = Math.random() * Math.min(RETRY_MS_MAX, 100 * 2 ** tries);
    await delay(retryAfterS * 1_000 + jitterMs, options.signal);
  }
}

async function* connect(
  settings: ClientSettings,
  turnId: string,
  after: string | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<TurnEvent> {
  const { url } = place(settings, turnEvents, { turn_id: turnId, after });
  const response = await (settings.fetch ?? fetch)(url, {
    headers: { ...credentials(settings), accept: "text/event-stream" },
    ...(signal && { signal }),
  });
  if (!response.ok || !response.body) throw await problemOf(response);
  for await (const data of readEvents(response.body)) yield JSON.parse(data) as TurnEvent;
}

/** Rejects with the signal's reason as soon as that is aborted. */
async function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
  signal?.throwIfAborted();
}
