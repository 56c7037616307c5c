import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type Principal, realtimeSocket } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { ServerOptions, WebSocket, WebSocketServer } from "ws";
import type { Clock } from "../../kit/clock.ts";
import { lazily } from "../../kit/lazily.ts";
import { problemOf } from "../../kit/out-of-files.ts";
import { answerRaw, requestIdOf } from "../../kit/raw-answer.ts";
import type { Peer, PeerSession } from "../../surfaces/peer.ts";
import { CLOSE_TIMEOUT_MS, Connection } from "./connection.ts";

const TICK_MS = 1_000;
/** A socket is pinged so often; one that said nothing from one ping to the next is dead. */
const TICKS_TO_BEAT = 30;
const STOPPING = "the server is stopping";
const FRAME_BYTES_MAX = 1024 * 1024;
const SOCKETS_MAX = 50_000;

export interface RealtimeUses {
  clock: Clock;
  /** Origins of pages that may open sockets, beside our own; `*` is any. */
  allowedOrigins: readonly string[];
  /** Where people reach this server, if that is not the host they name. */
  publicUrl: string | undefined;
  socketsPerUserMax: number;
  /** Throws `draining` once the server is stopping. */
  checkOpen(): void;
  takeTicket(ticket: string): Promise<Principal | null>;
  isAlive(principal: Principal): Promise<boolean>;
  onRevoked(listener: () => void): () => void;
  /** The surface that speaks over the sockets. */
  open(peer: Peer): PeerSession;
  onProblem(problem: Problem, request: { id: string; method: string; route: string }): void;
  openSockets: { opened(): void; closed(): void };
}

export interface RealtimeRole {
  /** Whether a request that asks for another protocol asks for a socket. */
  isMeant(request: IncomingMessage): boolean;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Asks every client to connect again elsewhere or later; resolves when all sockets are closed. */
  close(): Promise<void>;
}

/**
 * The sockets of a process, on the gateway's listener: who may open one, whether it still lives, and its
 * end. What is said over them is the surface's.
 */
export function createRealtimeRole(uses: RealtimeUses): RealtimeRole {
  const { clock } = uses;
  const connections = new Set<Connection>();
  const byUser = new Map<string, number>();
  /** I13: one question a second for each session or key, however many sockets it has. */
  const byCredential = new Map<string, Set<Connection>>();
  const webSockets = lazily(loadWebSockets);
  let tellEmpty: (() => void) | null = null;
  let ticks = 0;
  let isClosing = false;

  const checkCredentials = () => {
    for (const same of byCredential.values()) {
      const [first] = same;
      if (!first) continue;
      uses.isAlive(first.principal).then(
        (isAlive) => {
          if (!isAlive) for (const connection of [...same]) connection.close(1008, "unauthenticated");
        },
        // A store that cannot be asked now is asked again in a second.
        () => {},
      );
    }
  };
  const stopTicks = clock.every(TICK_MS, () => {
    ticks++;
    checkCredentials();
    for (const connection of connections) {
      if ((ticks - connection.openedTick) % TICKS_TO_BEAT === 0) connection.beat();
    }
  });
  const stopListening = uses.onRevoked(checkCredentials);

  function checkRoom(): void {
    uses.checkOpen();
    if (connections.size >= SOCKETS_MAX) throw tooMany();
  }

  async function admit(request: IncomingMessage): Promise<Principal> {
    checkRoom();
    checkOrigin(request, uses);
    const ticket = new URL(request.url ?? "", "http://parley").searchParams.get("ticket") ?? "";
    const principal = ticket === "" ? null : await uses.takeTicket(ticket);
    if (!principal || !(await uses.isAlive(principal))) throw badTicket();
    return principal;
  }

  /** Asked with nothing awaited before the upgrade, so that many who come at once are counted one by one. */
  function checkRoomFor({ userId }: Principal): void {
    checkRoom();
    if ((byUser.get(userId) ?? 0) >= uses.socketsPerUserMax) throw tooMany();
  }

  async function handle(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // Whoever leaves before the answer must not take the process with him.
    const ignore = () => {};
    socket.on("error", ignore);
    try {
      const principal = await admit(request);
      const server = await webSockets();
      checkRoomFor(principal);
      socket.off("error", ignore);
      server.handleUpgrade(request, socket, head, (webSocket) => adopt(webSocket, request, principal));
    } catch (error) {
      const problem = problemOf(error);
      const id = requestIdOf(request.headers);
      uses.onProblem(problem, { id, method: "GET", route: realtimeSocket.path });
      socket.once("finish", () => socket.destroy());
      answerRaw(socket, problem.toDocument(id), headersOf(problem));
    }
  }

  function adopt(webSocket: WebSocket, request: IncomingMessage, principal: Principal): void {
    const connection = new Connection(webSocket, request, principal, ticks);
    const { userId, credential } = principal;
    connections.add(connection);
    byUser.set(userId, (byUser.get(userId) ?? 0) + 1);
    const same = byCredential.get(credential.id);
    if (same) same.add(connection);
    else byCredential.set(credential.id, new Set([connection]));
    uses.openSockets.opened();
    connection.begin(uses.open(connection), forget);
    if (isClosing) connection.close(1012, STOPPING);
  }

  function forget(connection: Connection): void {
    const { userId, credential } = connection.principal;
    connections.delete(connection);
    const left = (byUser.get(userId) ?? 1) - 1;
    if (left > 0) byUser.set(userId, left);
    else byUser.delete(userId);
    const same = byCredential.get(credential.id);
    same?.delete(connection);
    if (same?.size === 0) byCredential.delete(credential.id);
    uses.openSockets.closed();
    if (connections.size === 0) tellEmpty?.();
  }

  return {
    isMeant: ({ headers, url = "" }) =>
      headers.upgrade?.toLowerCase() === "websocket" && url.split("?", 1)[0] === realtimeSocket.path,
    upgrade: (request, socket, head) => void handle(request, socket, head),
    async close() {
      isClosing = true;
      stopTicks();
      stopListening();
      if (connections.size === 0) return;
      const empty = new Promise<void>((resolve) => {
        tellEmpty = resolve;
      });
      for (const connection of connections) connection.close(1012, STOPPING);
      await empty;
    },
  };
}

/** Loaded with the first socket, so that a start does not pay for it. */
async function loadWebSockets(): Promise<WebSocketServer> {
  const { WebSocketServer } = await import("ws");
  // Its types do not know closeTimeout yet.
  const options: ServerOptions & { closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    maxPayload: FRAME_BYTES_MAX,
    // GW15: it costs memory that does not come back, and frames could not be shared.
    perMessageDeflate: false,
    closeTimeout: CLOSE_TIMEOUT_MS,
  };
  return new WebSocketServer(options);
}

/** SE13: a page of another origin must not open a socket from someone's browser. Programs send no origin. */
function checkOrigin({ headers }: IncomingMessage, { allowedOrigins, publicUrl }: RealtimeUses): void {
  const { origin, host } = headers;
  if (origin === undefined || allowedOrigins.includes("*") || allowedOrigins.includes(origin)) return;
  if (URL.canParse(origin) && new URL(origin).host === host?.toLowerCase()) return;
  if (publicUrl !== undefined && new URL(publicUrl).origin === origin) return;
  throw new Problem("forbidden", "Pages of this origin may not open a socket; see ALLOWED_ORIGINS.");
}

const headersOf = (problem: Problem): Record<string, string> => ({
  ...(problem.status === 401 && { "www-authenticate": "Bearer" }),
  ...(problem.retryAfterS !== undefined && { "retry-after": String(Math.ceil(problem.retryAfterS)) }),
});

const badTicket = () =>
  new Problem("unauthenticated", "The ticket is missing, used or expired; ask for a new one.");
const tooMany = () =>
  new Problem("overloaded", "Too many sockets are open; close some, or try again later.", {
    retryAfterS: 30,
  });
