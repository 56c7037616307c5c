import type { Static, TObject, TSchema } from "typebox";
import type { ProblemCode } from "./problem.ts";

export const scopes = ["chat", "characters", "account", "admin"] as const;
export type Scope = (typeof scopes)[number];

/** Who may call a route: anyone, anyone signed in, or a credential that carries the scope. */
export type Access = "public" | "signed_in" | Scope;

/**
 * One call of the API. `params`, `query` and `body` are merged into the one input that a module's
 * method takes, so their names must not collide.
 */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** As OpenAPI writes it: `/api/v2/characters/{character_id}`. */
  readonly path: string;
  readonly summary: string;
  /** What the summary leaves open, in a sentence or two. */
  readonly details?: string;
  readonly access: Access;
  readonly query?: TObject;
  readonly body?: TSchema;
  /** A body may be left out altogether. */
  readonly isBodyOptional?: boolean;
  /** Default 1 MiB. */
  readonly bodyBytesMax?: number;
  /** The body is a file of one of these content types, sent as it is; the input is a `SentFile`. */
  readonly fileTypes?: readonly string[];
  /** The usual answer is a file of one of these content types. */
  readonly answersFile?: readonly string[];
  /** By status; null is an answer without a body, or a file. The first is the usual one. */
  readonly answers: Readonly<Record<number, TSchema | null>>;
  /** The answer holds a secret: it is never stored for a repeat. */
  readonly hasSecret?: boolean;
  /** The module sees to repeats itself (sends, regenerations, refresh). */
  readonly isIdempotentItself?: boolean;
  /** What the call does with the cookie that keeps a page's refresh token out of reach of its scripts. */
  readonly cookie?: "sets" | "refreshes" | "clears";
  /** Which limit counts this call. */
  readonly limit?: "messages" | "sign_in" | "imports";
  /** The answer can also be the events of a turn, where `Accept` names `text/event-stream`. */
  readonly streams?: "always" | "on_accept";
  /** The answer may be of any length: it is written while it is read. */
  readonly isLong?: boolean;
  /** Problems of this route beyond the general ones. */
  readonly problems?: readonly ProblemCode[];
}

type ParamNames<P extends string> = P extends `${string}{${infer N}}${infer Rest}`
  ? N | ParamNames<Rest>
  : never;
type StaticOf<S> = S extends TSchema ? Static<S> : unknown;

/** A file as it was sent: its bytes and what its content type says. */
export interface SentFile {
  readonly file: Uint8Array;
  readonly type: string;
}

/** A file as an answer; its bytes are read only where the caller does not have them yet. */
export interface FileAnswer {
  readonly type: string;
  /** Under which name it is saved; without one it is for showing. */
  readonly name?: string;
  /** Names these very bytes, for caches. */
  readonly tag?: string;
  /** For how long a cache of the caller's own may show it unasked. */
  readonly freshS?: number;
  read(): Promise<Uint8Array>;
}

/** A route whose body is a file. */
export type TakesFile = { readonly fileTypes: readonly string[] };
/** A route whose answer is a file. */
export type AnswersFile = { readonly answersFile: readonly string[] };

/** What a call takes: path parameters, query and body in one object. */
export type Input<R extends Route> = { [K in ParamNames<R["path"]>]: string } & StaticOf<R["query"]> &
  StaticOf<R["body"]> &
  (R extends TakesFile ? SentFile : unknown);

type Answers<R extends Route> = R["answers"][keyof R["answers"]];
type AnswerOf<A> = A extends TSchema ? Static<A> : undefined;

/** What a call gives. */
export type Output<R extends Route> = R extends AnswersFile ? FileAnswer : AnswerOf<Answers<R>>;

export type RouteTable = Readonly<Record<string, Route>>;

/** Who calls: the user, and by which credential. */
export interface Principal {
  readonly userId: string;
  readonly role: "owner" | "user";
  readonly scopes: readonly Scope[];
  /** The session or key that stands behind the call; `environment` is the `API_KEY` setting. */
  readonly credential: { readonly kind: "session" | "key" | "environment"; readonly id: string };
}

/** What a rate limit says of itself, for the `RateLimit` headers. */
export interface LimitState {
  readonly policies: readonly {
    readonly name: string;
    readonly max: number;
    readonly windowS: number;
    readonly remaining: number;
    readonly resetS: number;
  }[];
}

/** Everything about a call that is not its input. */
export interface CallContext {
  readonly principal: Principal | null;
  readonly requestId: string;
  /** The caller's network address, for limits. */
  readonly address: string;
  readonly idempotencyKey?: string | undefined;
  readonly ifMatch?: string | undefined;
  /** An id for what this call creates; the same again when a call is repeated with its key. */
  newId(): string;
  /** Marks the answer as a repeat (`Idempotent-Replayed: true`). */
  markReplayed(): void;
  /** Shows the state of a limit in the answer's headers. */
  showLimit(state: LimitState): void;
}

/** A context of a route that only signed-in callers reach. */
export interface SignedInContext extends CallContext {
  readonly principal: Principal;
}

type ContextOf<R extends Route> = R["access"] extends "public" ? CallContext : SignedInContext;

/** One method of a module, as its route says. */
export type Call<R extends Route> = (input: Input<R>, context: ContextOf<R>) => Promise<Output<R>>;

/** What a module offers to the outside: a method for every route of its table. */
export type Api<T extends RouteTable> = { readonly [K in keyof T]: Call<T[K]> };

export const defineRoutes = <const T extends RouteTable>(routes: T): T => routes;
