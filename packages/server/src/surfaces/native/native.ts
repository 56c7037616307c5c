import { hash } from "node:crypto";
import { Readable } from "node:stream";
import {
  type CallContext,
  type Contract,
  closed,
  contract,
  type FileAnswer,
  type ParleyApi,
  type Principal,
  type Route,
  realtimeSocket,
  type Scope,
  turnEvents,
} from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "../../kit/clock.ts";
import { failpoint } from "../../kit/failpoint.ts";
import { isId, newId } from "../../kit/ids.ts";
import { jsonPieces } from "../../kit/json-pieces.ts";
import type { Answer, Idempotency } from "../../modules/idempotency/idempotency.ts";
import type { TurnReader } from "../../modules/turns/turn-log.ts";
import type { CredentialHeaders } from "../../modules/users/users.ts";
import { credentialsOf } from "../credentials.ts";
import { type BodyRoom, createBodyRoom } from "./body-room.ts";
import { createContext } from "./context.ts";
import { createEventStreams, type EventStreams } from "./event-stream.ts";
import { sendFile } from "./file-answer.ts";
import { withSessionCookie } from "./session-cookie.ts";
import { lazyValidator, readQuery } from "./validator.ts";

const BODY_BYTES_MAX = 1024 ** 2;
const JSON_TYPE = "application/json; charset=utf-8";

type Handler = (input: unknown, context: CallContext) => Promise<unknown>;

export interface NativeUses {
  api: ParleyApi;
  checkCursor(after: string): void;
  follow(turnId: string, after: string | null, principal: Principal): Promise<TurnReader>;
  authenticate(headers: CredentialHeaders): Promise<Principal>;
  /** The same at once, where nothing has to be asked for; else null. */
  recall(headers: CredentialHeaders): Principal | null;
  isAlive(principal: Principal): Promise<boolean>;
  onRevoked(listener: () => void): () => void;
  idempotency: Pick<Idempotency, "run" | "principalOf">;
  /** The ids that a call makes under its key: the same whenever it is repeated. */
  derivedIds(principal: string, route: string, key: string): () => string;
  clock: Clock;
  /** The largest file that a call takes. */
  uploadBytesMax: number;
  /** Where people reach this server, if that was said: cookies follow its scheme, and its pages may use them. */
  publicUrl: string | undefined;
  /** Throws `draining` once the server is stopping. */
  checkOpen(): void;
  openStreams: { opened(): void; closed(): void };
}

/** Serves every route of the contract by the module method of the same name. No rule of the product lives here. */
export function serveNative(app: FastifyInstance, uses: NativeUses): void {
  const streams = createEventStreams(uses.clock);
  const room = createBodyRoom();
  uses.onRevoked(streams.checkAll);
  for (const noun of Object.keys(contract) as (keyof Contract)[]) {
    const methods = uses.api[noun] as unknown as Record<string, Handler>;
    for (const [name, route] of Object.entries<Route>(contract[noun])) {
      serve(app, { ...uses, streams, room }, route, `${noun}.${name}`, methods[name] as Handler);
    }
  }
  serveTurnEvents(app, { ...uses, streams, room });
  // Whoever asks for a socket does not come here, see the role.
  app.get(realtimeSocket.path, { exposeHeadRoute: false }, () => {
    throw new Problem("upgrade_required", "Open this address as a WebSocket; see docs/reference/socket.md.");
  });
}

type ServeUses = NativeUses & { streams: EventStreams; room: BodyRoom };

function serve(app: FastifyInstance, uses: ServeUses, route: Route, name: string, call: Handler): void {
  const readInput = inputReader(route);
  const statusOf = statusChooser(route);
  const invoke = withSessionCookie(route.cookie, call, uses.publicUrl);
  const isKeyed = route.method === "POST" || route.method === "PATCH";
  const template = `${route.method} ${route.path}`;
  const bodyBytesMax = route.fileTypes ? uses.uploadBytesMax : (route.bodyBytesMax ?? BODY_BYTES_MAX);

  app.route({
    method: route.method,
    url: fastifyPath(route.path),
    bodyLimit: bodyBytesMax,
    ...(route.fileTypes && { config: { fileTypes: route.fileTypes } }),
    onRequest: admit(uses, route),
    ...((route.body ?? route.fileTypes) && {
      preParsing: (request, reply, payload, done) => {
        uses.room.admit(request, reply, bodyBytesMax);
        done(null, payload);
      },
    }),
    handler: async (request, reply) => {
      const input = readInput(request);
      const after = lastEventId(request);
      if (route.streams === "on_accept" && after !== null) uses.checkCursor(after);
      const key = isKeyed ? readKey(request) : undefined;
      const principal =
        key === undefined ? "" : uses.idempotency.principalOf(request.principal, request.body);
      const context = createContext(request, reply, {
        idempotencyKey: key,
        newId: key === undefined ? newId : uses.derivedIds(principal, template, key),
      });
      const work = () => invoke(input, context, request, reply);
      let body: unknown;
      let status: number;
      if (key === undefined || route.isIdempotentItself) {
        body = await work();
        status = statusOf(body);
      } else {
        const hasSecret = route.hasSecret ?? false;
        const done = await uses.idempotency.run(
          {
            principal,
            route: template,
            key,
            body: route.fileTypes ? named(input) : input,
            about: Object.values(request.params as Record<string, string>)[0],
            hasSecret,
          },
          async (): Promise<Answer> => {
            const made = await work();
            return { status: statusOf(made), body: made };
          },
        );
        if (done.isReplay) context.markReplayed();
        ({ status, body } = done);
      }
      if (route.answersFile) return sendFile(request, reply, body as FileAnswer);
      if (route.isLong) return reply.type(JSON_TYPE).send(Readable.from(jsonPieces(body)));
      if (route.streams === "on_accept" && wantsEvents(request) && hasTurn(body)) {
        return sendEvents(uses, request, reply, body.turn.id, after);
      }
      if (name === "messages.send") reply.raw.once("finish", () => failpoint("k05"));
      return reply.code(status).send(body);
    },
  });
}

function serveTurnEvents(app: FastifyInstance, uses: ServeUses): void {
  const route: Route = turnEvents;
  const readInput = inputReader(route);
  app.route({
    method: "GET",
    url: fastifyPath(route.path),
    // An answer to HEAD has no body, so there is nothing to stream.
    exposeHeadRoute: false,
    onRequest: admit(uses, route),
    handler: async (request, reply) => {
      const input = readInput(request) as { turn_id: string; after?: string };
      return sendEvents(uses, request, reply, input.turn_id, input.after ?? lastEventId(request));
    },
  });
}

/** Who calls, before the body is read. */
function admit(uses: NativeUses, route: Route) {
  const { access } = route;
  const letIn = (request: FastifyRequest, principal: Principal): void => {
    if (access !== "signed_in" && !principal.scopes.includes(access as Scope)) {
      throw new Problem("forbidden", `This credential lacks the scope ${access}.`);
    }
    request.principal = principal;
  };
  return (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void => {
    uses.checkOpen();
    if (access === "public") refuseSeveral(request);
    else {
      const credentials = credentialsOf(request);
      const known = uses.recall(credentials);
      if (!known) {
        const asked = uses.authenticate(credentials).then((principal) => letIn(request, principal));
        return void asked.then(() => done(), done);
      }
      letIn(request, known);
    }
    done();
  };
}

/** Also where nobody asks who calls, two credentials are a mistake to tell of. */
function refuseSeveral(request: FastifyRequest): void {
  const { authorization = [], apiKey = [] } = credentialsOf(request);
  if (authorization.length + apiKey.length > 1) throw new Problem("several_credentials");
}

const NO_QUERY = closed({});

/** Path, query and body as the one input of a module's method; throws `not_found`, `validation_failed`. */
function inputReader(route: Route): (request: FastifyRequest) => Record<string, unknown> {
  const querySchema = route.query ?? NO_QUERY;
  const checkQuery = lazyValidator(querySchema);
  const checkBody = route.body && lazyValidator(route.body);
  return (request) => {
    const params = request.params as Record<string, string>;
    for (const [name, id] of Object.entries(params)) if (!isId(id)) throw missing(name);
    let input: Record<string, unknown> = params;
    if (request.url.includes("?")) {
      const query = readQuery(request.query as Record<string, unknown>, querySchema);
      checkQuery(query);
      input = { ...input, ...query };
    }
    if (route.fileTypes) {
      if (!request.body) throw new Problem("validation_failed", "The call needs a file as its body.");
      input = { ...(request.body as object), ...input };
    }
    if (checkBody) {
      const body = request.body ?? (route.isBodyOptional ? {} : undefined);
      if (body === undefined)
        throw new Problem("validation_failed", "The call needs a JSON body.", {
          errors: [{ path: "", message: "is missing" }],
        });
      checkBody(body);
      input = { ...(body as object), ...input };
    }
    return input;
  };
}

/** What stands for a file where its input is compared. */
const named = (input: Record<string, unknown>) => ({
  ...input,
  file: hash("sha256", input.file as Uint8Array, "hex"),
});

/** A malformed id answers as one that is not there: in the words of the modules. */
const missing = (param: string) => new Problem("not_found", `There is no such ${param.replace(/_id$/, "")}.`);

async function sendEvents(
  uses: ServeUses,
  request: FastifyRequest,
  reply: FastifyReply,
  turnId: string,
  after: string | null,
): Promise<FastifyReply> {
  const principal = request.principal as Principal;
  const reader = await uses.follow(turnId, after, principal);
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) reply.raw.setHeader(name, value);
  reply.hijack();
  uses.openStreams.opened();
  reply.raw.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
  });
  request.raw.socket.setNoDelay(true);
  uses.streams.open(reply.raw, reader, {
    isAlive: () => uses.isAlive(principal),
    onClose: uses.openStreams.closed,
  });
  return reply;
}

/** The status of an answer; of several, the lesser one (201) is that of a send without a turn. */
function statusChooser(route: Route): (body: unknown) => number {
  const [lesser = 200, greater] = Object.keys(route.answers).map(Number).sort();
  return greater === undefined ? () => lesser : (body) => (hasTurn(body) ? greater : lesser);
}

const hasTurn = (body: unknown): body is { turn: { id: string } } =>
  typeof body === "object" && body !== null && "turn" in body && body.turn !== null;

const fastifyPath = (path: string) => path.replaceAll(/\{(\w+)\}/g, ":$1");

const EVENTS_ACCEPTED = /(^|,)\s*text\/event-stream\s*(?!;\s*q=0(\.0*)?\s*(,|$))/i;
const wantsEvents = ({ headers }: FastifyRequest) => EVENTS_ACCEPTED.test(headers.accept ?? "");

const lastEventId = (request: FastifyRequest): string | null => {
  const id = request.headers["last-event-id"];
  return typeof id === "string" && id !== "" ? id : null;
};

const readKey = (request: FastifyRequest): string | undefined => {
  const key = request.headers["idempotency-key"];
  if (key === undefined || typeof key === "string") {
    if (key === undefined || /^[\x20-\x7e]{1,255}$/.test(key)) return key;
  }
  throw Problem.invalid("Idempotency-Key", "must be 1 to 255 printable ASCII characters");
};

declare module "fastify" {
  interface FastifyRequest {
    principal: Principal | null;
  }
}
