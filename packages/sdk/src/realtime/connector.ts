import { type closeCodes, Problem, type ServerFrame } from "../contract/index.ts";
import type { WebSocketConstructor, WebSocketLike } from "./web-socket.ts";

/**
 * `connecting`: the first try, or a fresh one after a break. `open`: the socket is up. `fallback`: sockets
 * do not get through, so HTTP does their work. `offline`: the server cannot be reached; tries go on.
 * `refused`: the server does not know the client's credential (any more); nothing is tried until someone
 * signs in and makes a new one.
 */
export type RealtimeState = "connecting" | "open" | "fallback" | "offline" | "refused" | "closed";

const RETRY_MS = 1_000;
const RETRY_MS_MAX = 30_000;
/** A connection that held for so long was a good one: the next break begins with short waits again. */
const GOOD_AFTER_MS = 5_000;
const OPEN_TIMEOUT_MS = 10_000;
/** So often a socket must refuse to open, though a ticket was given, before HTTP takes over. */
const REFUSALS_TO_FALL_BACK = 2;
const WATCH_MS = 5_000;
/** Silence after which the server is asked for a sign of life, and how long that may take. */
const SILENT_MS = 25_000;
const PONG_TIMEOUT_MS = 10_000;
/** The session or key behind the socket has ended. */
const SIGNED_OUT = 1008 satisfies keyof typeof closeCodes;

export interface ConnectorUses {
  /** Where to connect to, with a fresh ticket in it. */
  address(): Promise<string>;
  WebSocket: WebSocketConstructor | undefined;
  onState(state: RealtimeState): void;
  onOpen(): void;
  onFrame(frame: ServerFrame): void;
  /** What was sent and not answered has an unknown fate. */
  onLost(): void;
}

export interface Connector {
  readonly state: RealtimeState;
  /** False where the socket is not open. */
  send(frame: object): boolean;
  /** Breaks the connection, to be made anew. */
  reconnect(): void;
  close(): void;
}

/** Keeps one socket open: a ticket for each, waits with full jitter, and a watch for silent ends. */
export function createConnector(uses: ConnectorUses): Connector {
  let state: RealtimeState = "connecting";
  let socket: WebSocketLike | null = null;
  let tries = 0;
  let unopened = 0;
  /** Of tries for a ticket only the last counts: a page that comes online does not wait for a dead one. */
  let lastTry = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const isOver = () => state === "closed" || state === "refused";
  const enter = (next: RealtimeState) => {
    if (state === next || state === "closed") return;
    state = next;
    if (isOver()) page.removeEventListener?.("online", onOnline);
    uses.onState(next);
  };

  const tryAgain = (next: RealtimeState) => {
    if (isOver()) return;
    enter(next);
    const waitMs = Math.random() * Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** tries++);
    clearTimeout(timer);
    timer = setTimeout(() => void connect(), waitMs);
  };

  async function connect(): Promise<void> {
    clearTimeout(timer);
    if (isOver() || socket) return;
    if (!uses.WebSocket) return enter("fallback");
    const thisTry = ++lastTry;
    const isCurrent = () => thisTry === lastTry && !isOver();
    let address: string;
    try {
      address = await uses.address();
    } catch (error) {
      if (!isCurrent()) return;
      return isRefusal(error) ? enter("refused") : tryAgain("offline");
    }
    if (!isCurrent()) return;
    try {
      open(new uses.WebSocket(address));
    } catch {
      didNotOpen();
    }
  }

  function didNotOpen(): void {
    unopened++;
    tryAgain(unopened >= REFUSALS_TO_FALL_BACK ? "fallback" : state);
  }

  function open(fresh: WebSocketLike): void {
    socket = fresh;
    let openedAt: number | null = null;
    let heardAt = 0;
    let hasEnded = false;
    let watch: ReturnType<typeof setInterval> | undefined;
    const tooLate = setTimeout(() => end(), OPEN_TIMEOUT_MS);

    const end = (code?: number) => {
      if (hasEnded) return;
      hasEnded = true;
      clearTimeout(tooLate);
      clearInterval(watch);
      if (socket === fresh) socket = null;
      fresh.close();
      if (openedAt === null) return didNotOpen();
      if (Date.now() - openedAt >= GOOD_AFTER_MS) tries = 0;
      uses.onLost();
      if (code === SIGNED_OUT) enter("refused");
      else tryAgain("connecting");
    };
    const look = () => {
      const silentMs = Date.now() - heardAt;
      if (silentMs > SILENT_MS + PONG_TIMEOUT_MS) end();
      else if (silentMs > SILENT_MS) fresh.send('{"type":"ping"}');
    };
    fresh.addEventListener("open", () => {
      if (hasEnded || isOver()) return fresh.close();
      clearTimeout(tooLate);
      openedAt = heardAt = Date.now();
      watch = setInterval(look, WATCH_MS);
      unopened = 0;
      enter("open");
      uses.onOpen();
    });
    fresh.addEventListener("message", ({ data }) => {
      heardAt = Date.now();
      if (!hasEnded && typeof data === "string") uses.onFrame(JSON.parse(data) as ServerFrame);
    });
    fresh.addEventListener("close", ({ code }) => end(code));
    fresh.addEventListener("error", () => end());
    endPresent = end;
  }

  let endPresent = () => {};
  const onOnline = () => {
    if (state === "offline") void connect();
  };
  const page = globalThis as Partial<Pick<EventTarget, "addEventListener" | "removeEventListener">>;
  page.addEventListener?.("online", onOnline);
  // Not before whoever made it has it in hand.
  queueMicrotask(() => void connect());

  return {
    get state() {
      return state;
    },
    send(frame) {
      if (state !== "open" || !socket) return false;
      socket.send(JSON.stringify(frame));
      return true;
    },
    reconnect: () => endPresent(),
    close() {
      enter("closed");
      clearTimeout(timer);
      endPresent();
    },
  };
}

const isRefusal = (error: unknown): boolean =>
  error instanceof Problem && (error.code === "unauthenticated" || error.code === "forbidden");
