import type { Server as HttpServer, IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { SentFile } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from "fastify";
import type { Clock } from "../kit/clock.ts";
import { http } from "../kit/http.ts";
import { newId } from "../kit/ids.ts";
import { readJsonBody } from "../kit/json-body.ts";
import { rememberMethods } from "../kit/known-methods.ts";
import { problemOf } from "../kit/out-of-files.ts";
import { answerRaw, requestIdOf } from "../kit/raw-answer.ts";
import { createTurnSlices } from "../kit/turn-slices.ts";

/** Of each turn of the event loop; what more comes at once waits for the next. */
const SLICE_MS = 5;
/** Connections that wait to be taken; of more the system takes notice when their clients ask again, after seconds. */
const BACKLOG = 4096;
const BODY_BYTES_MAX = 1024 * 1024;
/** A body that is refused for its length is still read up to here, so that its sender reads the answer. */
const REFUSED_BODY_BYTES_MAX = 64 * 1024 * 1024;

/** How long clients are waited for. All of these are set, so that no default of a library applies. */
export interface GatewayTimeouts {
  /** For a whole head, from the connection or the answer before it on. */
  headMs: number;
  /** For a whole request, its body included. */
  requestMs: number;
  /** For a connection on which nothing moves, such as an answer that nobody reads. */
  stuckMs: number;
  /** For another request on a connection. */
  idleMs: number;
  /** How often heads and requests are looked at. */
  lookEveryMs: number;
}

const TIMEOUTS: GatewayTimeouts = {
  headMs: 60_000,
  requestMs: 120_000,
  stuckMs: 120_000,
  idleMs: 72_000,
  lookEveryMs: 15_000,
};

export interface GatewayUses {
  clock: Clock;
  host: string;
  port: number;
  /** Default: what is meant for people. */
  timeouts?: GatewayTimeouts;
  trustedProxies: readonly string[];
  /** Origins of pages on other hosts that may call the API; `*` is any. */
  allowedOrigins: readonly string[];
  /** Every surface that this process serves. */
  surfaces: readonly ((app: FastifyInstance) => void)[];
  /** Whoever takes connections that ask for another protocol. */
  upgrades: {
    /** Where false, the request is served like all others. */
    isMeant(request: IncomingMessage): boolean;
    upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  };
  onProblem(problem: Problem, request: { id: string; method: string; route: string }): void;
  onAnswered(call: {
    method: string;
    route: string;
    status: number;
    durationMs: number;
    requestId: string;
  }): void;
}

export interface Gateway {
  /** Throws one sentence where the port is taken or the host is not ours. */
  listen(): Promise<{ host: string; port: number }>;
  /**
   * Lets calls under way be answered for at most `timeoutMs`, then ends every connection; whoever
   * streams resumes elsewhere or later.
   */
  close(timeoutMs: number): Promise<void>;
}

/** The HTTP door of a process: one listener, request ids, one rendering of problems, and the surfaces behind it. */
export function createGateway(uses: GatewayUses): Gateway {
  const { headMs, requestMs, stuckMs, idleMs, lookEveryMs } = uses.timeouts ?? TIMEOUTS;
  const slices = createTurnSlices({ sliceMs: SLICE_MS, now: uses.clock.monotonic });
  const calls = trackCalls(uses);
  // Nothing is done for a call before its slice. Of calls that come at once on one connection each waits for its
  // turn to be answered: answers that nobody reads would pile up in memory, and a client may ask for hundreds in
  // one packet.
  const inTurn =
    (serve: RequestListener): RequestListener =>
    (request, response) => {
      const isHere = calls.knows(request.socket);
      calls.began(request.socket, response);
      const begin = () => slices.run(() => response.destroyed || serve(request, response), { isHere });
      if (response.socket) begin();
      else response.once("socket", begin);
    };
  const app = Fastify({
    logger: false,
    serverFactory: (serve) =>
      http
        .createServer(
          {
            shouldUpgradeCallback: uses.upgrades.isMeant,
            headersTimeout: headMs,
            requestTimeout: requestMs,
            keepAliveTimeout: idleMs,
            connectionsCheckingInterval: lookEveryMs,
            // Node would refuse it without a word; we do, see below.
            requireHostHeader: false,
          },
          inTurn(serve),
        )
        .setTimeout(stuckMs),
    trustProxy: uses.trustedProxies.length > 0 ? [...uses.trustedProxies] : false,
    bodyLimit: BODY_BYTES_MAX,
    // An id is ours to refuse, however long it is: the router would answer 500. No line of a request is longer.
    routerOptions: { maxParamLength: http.maxHeaderSize },
    requestIdHeader: false,
    genReqId: (request) => requestIdOf(request.headers),
    forceCloseConnections: true,
    // The answer of the router to a path that is no URL.
    frameworkErrors: (error, request, reply) => renderError(error, request, reply),
    clientErrorHandler: refuseConnection,
  });
  app.decorateRequest("principal", null);
  app.server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    slices.run(() => {
      if (!socket.destroyed) uses.upgrades.upgrade(request, socket, head);
    }),
  );
  app.server.on("connect", refuseTunnel);
  readBodiesAsJson(app);

  const renderError = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const problem = asProblem(error);
    uses.onProblem(problem, { id: request.id, method: request.method, route: routeOf(request) });
    sendProblem(problem, request, reply);
  };
  app.setErrorHandler(renderError);
  const methodsOf = rememberMethods(app);
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?", 1)[0] ?? "";
    const methods = methodsOf(path);
    const named = methods.join(", ").replace(/, (\w+)$/, " and $1");
    const others = methods.length === 0 ? "" : ` This address takes ${named}.`;
    const detail = `There is no ${request.method} ${path}.${others} See /docs.`;
    sendProblem(new Problem("not_found", detail), request, reply);
  });
  app.addHook("onRequest", (request, reply, done) => {
    reply.header("x-request-id", request.id);
    calls.serves(request, reply);
    done(hostFault(request));
  });
  if (uses.allowedOrigins.length > 0) allowOrigins(app, uses.allowedOrigins);
  for (const surface of uses.surfaces) surface(app);

  return {
    async listen() {
      await app.listen({ host: uses.host, port: uses.port, backlog: BACKLOG });
      const address = (app.server as HttpServer).address();
      const port = typeof address === "object" && address ? address.port : uses.port;
      return { host: uses.host, port };
    },
    async close(timeoutMs) {
      await calls.ended(timeoutMs);
      await app.close();
    },
  };
}

/**
 * Knows the calls that are under way, event streams left out: those end with their turns or are cut. Tells
 * of each that was answered.
 */
function trackCalls({ clock, onAnswered }: Pick<GatewayUses, "clock" | "onAnswered">) {
  /** By connection, for answers that wait for their turn hear nothing of its end. */
  const open = new Map<Socket, { response: ServerResponse; beganMs: number }[]>();
  let tellEnded: (() => void) | null = null;
  const isStream = (response: ServerResponse) =>
    String(response.getHeader("content-type") ?? "").startsWith("text/event-stream");
  const underWay = () =>
    [...open.values()].some((calls) => calls.some(({ response }) => !isStream(response)));
  const tellIfEnded = () => {
    if (tellEnded && !underWay()) tellEnded();
  };
  const callsOn = (socket: Socket) => {
    const known = open.get(socket);
    if (known) return known;
    const calls: { response: ServerResponse; beganMs: number }[] = [];
    open.set(socket, calls);
    socket.once("close", () => {
      open.delete(socket);
      tellIfEnded();
    });
    return calls;
  };
  return {
    /** Whether it asked for something before. */
    knows: (socket: Socket): boolean => open.has(socket),
    began(socket: Socket, response: ServerResponse): void {
      const calls = callsOn(socket);
      const call = { response, beganMs: clock.monotonic() };
      calls.push(call);
      response.on("close", () => {
        calls.splice(calls.indexOf(call), 1);
        tellIfEnded();
      });
    },
    /** Tells of a call that has begun, once it is answered. */
    serves(request: FastifyRequest, { raw }: FastifyReply): void {
      const call = open.get(request.raw.socket)?.find(({ response }) => response === raw);
      raw.on("close", () => {
        if (!call || !raw.writableFinished) return;
        onAnswered({
          method: request.method,
          route: routeOf(request),
          status: raw.statusCode,
          durationMs: clock.monotonic() - call.beganMs,
          requestId: request.id,
        });
      });
    },
    async ended(timeoutMs: number): Promise<void> {
      if (!underWay()) return;
      await new Promise<void>((resolve) => {
        const cancel = clock.after(timeoutMs, resolve);
        tellEnded = () => {
          cancel();
          resolve();
        };
      });
    },
  };
}

/** RFC 9112: a request of HTTP/1.1 names its host. */
const hostFault = ({ raw }: FastifyRequest): Problem | undefined =>
  raw.headers.host === undefined && raw.httpVersion === "1.1"
    ? new Problem("malformed_request", "A request of HTTP/1.1 needs a Host header.")
    : undefined;

const routeOf = (request: FastifyRequest): string => request.routeOptions.url ?? "unknown";

function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): void {
  // A path that is no URL comes here without having passed the hooks.
  reply.header("x-request-id", request.id);
  // An end in the middle of a body would take the answer with it, so what is not too much is read on.
  const isReadOn = Number(request.headers["content-length"]) <= REFUSED_BODY_BYTES_MAX;
  if (problem.code === "payload_too_large" && isReadOn) reply.removeHeader("connection");
  if (problem.status === 401) reply.header("www-authenticate", "Bearer");
  if (problem.retryAfterS !== undefined) reply.header("retry-after", Math.ceil(problem.retryAfterS));
  void reply
    .code(problem.status)
    .header("content-type", "application/problem+json; charset=utf-8")
    .send(JSON.stringify(problem.toDocument(request.id)));
}

/** What the framework refuses by itself, in our words. */
function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const { code, statusCode } = error as FastifyError;
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new Problem("payload_too_large", "The body is larger than this call takes.");
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new Problem("unsupported_type", "Send JSON, with the header content-type: application/json.");
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return new Problem("invalid_json", "The body is not as long as its content-length says.");
    case "FST_ERR_BAD_URL":
      return new Problem("not_found", "The address is not well-formed.");
  }
  if (statusCode === 400) return new Problem("malformed_request", undefined, { cause: error });
  if (statusCode === 413) return new Problem("payload_too_large");
  return problemOf(error);
}

function readBodiesAsJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (request, raw, done) => {
    try {
      const { fileTypes } = request.routeOptions.config as { fileTypes?: readonly string[] };
      if (fileTypes) return done(null, readFileBody(request, raw as Buffer, fileTypes));
      if (raw.length > 0) checkContentType(request);
      done(null, readJsonBody(raw as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
}

const JSON_TYPE = /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i;

/** A body is JSON, in UTF-8, as it stands; no body needs no type. */
function checkContentType({ headers }: FastifyRequest): void {
  const encoding = headers["content-encoding"] ?? "identity";
  if (JSON_TYPE.test(headers["content-type"] ?? "") && encoding === "identity") return;
  throw new Problem(
    "unsupported_type",
    "Send JSON in UTF-8, uncompressed, with the header content-type: application/json.",
  );
}

/** A body that is a file goes on as it is, under its content type without parameters. */
function readFileBody({ headers }: FastifyRequest, file: Buffer, types: readonly string[]): SentFile {
  const type = (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const encoding = headers["content-encoding"] ?? "identity";
  if (types.includes(type) && encoding === "identity") return { file, type };
  throw new Problem(
    "unsupported_type",
    `Send the file as it is, with a content-type of ${types.join(" or ")}.`,
  );
}

/** What is not HTTP at all gets one line and the end of the connection. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  answerRaw(socket, unreadable(error.code).toDocument(newId()));
}

/** The one method that never becomes a request: what follows it belongs to whoever takes the connection over. */
function refuseTunnel(_request: IncomingMessage, socket: Duplex): void {
  socket.on("error", () => {});
  socket.once("finish", () => socket.destroy());
  const problem = new Problem("not_found", "There is no CONNECT here: this server is no proxy. See /docs.");
  answerRaw(socket, problem.toDocument(newId()));
}

function unreadable(code: string | undefined): Problem {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return new Problem(
        "head_too_large",
        `The address and the headers together may have ${http.maxHeaderSize / 1024} KiB.`,
      );
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new Problem("request_timeout", "The request took too long to arrive.");
    default:
      return new Problem("malformed_request", "What came is not a request that this server can read.");
  }
}

const CORS_METHODS = "GET, POST, PUT, PATCH, DELETE";
const CORS_HEADERS =
  "authorization, content-type, idempotency-key, if-match, last-event-id, x-api-key, x-request-id";
const CORS_EXPOSED = "idempotent-replayed, ratelimit, ratelimit-policy, retry-after, x-request-id";

/** Lets pages of the named origins call with credentials in headers; the cookie is for our own page alone. */
function allowOrigins(app: FastifyInstance, origins: readonly string[]): void {
  app.addHook("onRequest", (request, reply, done) => {
    const { origin } = request.headers;
    reply.header("vary", "origin");
    if (origin && (origins.includes("*") || origins.includes(origin))) {
      reply.header("access-control-allow-origin", origin);
      reply.header("access-control-expose-headers", CORS_EXPOSED);
      if (request.method === "OPTIONS") {
        reply.header("access-control-allow-methods", CORS_METHODS);
        reply.header("access-control-allow-headers", CORS_HEADERS);
        reply.header("access-control-max-age", "600");
        void reply.code(204).send();
        return;
      }
    }
    done();
  });
}
