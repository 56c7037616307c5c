import type { ProblemCode } from "@parley-chat/sdk/contract";
import { LlmFault } from "../fault.ts";
import type { LlmEnd } from "../llm.ts";
import type { Verdict } from "./reply-reader.ts";
import type { LlmTimers } from "./watch.ts";

export type Failure = Omit<Extract<LlmEnd, { kind: "failed" }>, "usage">;

/** Names the failure of a chat template that takes only user and assistant in turn. */
export const STRICT_TEMPLATE = "strict_template";

/** Whether the same prompt could be taken with its roles in turn. */
export const isStrictTemplate = (end: LlmEnd): boolean =>
  end.kind === "failed" && end.cause instanceof LlmFault && end.cause.kind === STRICT_TEMPLATE;

/** Who failed, and what people can do about it. */
export interface Provider {
  /** "LM Studio at http://127.0.0.1:1234/v1". */
  readonly subject: string;
  readonly baseUrlSetting: string;
  readonly keySetting: string | null;
  /** A key is set, or stands in the address. */
  readonly hasKey: boolean;
  readonly isLocal: boolean;
}

/** The provider where it does not begin the sentence. */
const amid = ({ subject }: Provider): string => subject.replace(/^The /, "the ");

const failed = (
  code: ProblemCode,
  detail: string,
  retryable: boolean,
  fault: LlmFault,
  retryAfterS?: number,
): Failure => ({
  kind: "failed",
  code,
  detail,
  retryable,
  ...(retryAfterS !== undefined && { retryAfterS }),
  cause: fault,
});

const tryAgain = "Try again in a moment.";

/** No connection, or none that lived until an answer began. */
export function networkFailure(provider: Provider, error: NodeJS.ErrnoException, model?: string): Failure {
  const { subject, isLocal, baseUrlSetting } = provider;
  const code = error.code ?? "unknown";
  if (code.startsWith("HPE_")) {
    const detail = `${subject} answered with something that is not plain HTTP. Check ${baseUrlSetting}.`;
    return failed("provider_error", detail, false, new LlmFault(code, { model }));
  }
  if (code.startsWith("ERR_INVALID")) {
    const setting = provider.keySetting ?? baseUrlSetting;
    const detail = `${setting} holds characters that cannot be sent to ${amid(provider)}. Correct it.`;
    return failed("provider_error", detail, false, new LlmFault(code, { model }));
  }
  if (code === "EMFILE" || code === "ENFILE") {
    const detail = `Parley may open no more connections, so it cannot ask ${amid(provider)}. Raise its limit of open files, or try again in a moment.`;
    return failed("provider_unavailable", detail, true, new LlmFault(code, { model }));
  }
  const why = reasons.find(([pattern]) => pattern.test(code))?.[1] ?? "the connection failed";
  const advice = isLocal
    ? "Start it, or choose another provider with DEFAULT_LLM_PROVIDER."
    : `Check the network and ${baseUrlSetting}, or choose another provider with DEFAULT_LLM_PROVIDER.`;
  const isLasting = /CERT|SELF_SIGNED|UNABLE_TO/.test(code);
  const detail = `${subject} does not answer (${why}). ${advice}`;
  return failed("provider_unavailable", detail, !isLasting, new LlmFault(code, { model }));
}

const reasons: readonly (readonly [RegExp, string])[] = [
  [/^ECONNREFUSED$/, "connection refused"],
  [/^(ENOTFOUND|EAI_)/, "its host name is not known"],
  [/^(EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|ENETDOWN)$/, "there is no way to its network"],
  [/CERT|SELF_SIGNED|UNABLE_TO/, "its certificate is not valid"],
  [/^(EPROTO|ERR_SSL|ERR_TLS)/, "no secure connection came about"],
  [/^(ECONNRESET|EPIPE|ECONNABORTED)$/, "it closed the connection"],
  [/^ETIMEDOUT$/, "it takes too long"],
];

/** A deadline has passed. */
export function timeoutFailure(
  provider: Provider,
  which: keyof LlmTimers,
  timers: LlmTimers,
  model: string,
): Failure {
  const seconds = `${timers[which] / 1_000} s`;
  const { subject } = provider;
  const details: Record<keyof LlmTimers, string> = {
    connectMs: `${subject} did not take a connection within ${seconds}. Check that it runs and that the network leads there.`,
    firstTokenMs: `${subject} gave no first word within ${seconds}. ${tryAgain} For a slow model raise PARLEY_LLM_FIRST_TOKEN_TIMEOUT_MS.`,
    betweenTokensMs: `${subject} fell silent for ${seconds} in the middle of its reply. Regenerate the reply to try again.`,
    idleMs: `${subject} sent nothing for ${seconds}. Regenerate the reply to try again.`,
    callMs: `${subject} did not finish its reply within ${seconds}. Ask for a shorter one, or raise PARLEY_LLM_CALL_TIMEOUT_MS.`,
  };
  const fault = new LlmFault(`timer ${which}`, { model });
  return failed("provider_timeout", details[which], which !== "callMs", fault);
}

/** The stream ended otherwise than it should. */
export function streamFailure(
  provider: Provider,
  verdict: Exclude<Verdict, { kind: "completed" }>,
  model: string,
): Failure {
  const { subject } = provider;
  switch (verdict.kind) {
    case "error":
      return errorFailure(provider, verdict.error, null, model);
    case "malformed": {
      const detail = `${subject} sent a broken stream. Regenerate the reply to try again.`;
      return failed("provider_error", detail, true, new LlmFault(verdict.reason, { model }));
    }
    case "truncated": {
      const detail = `${subject} broke off its reply before the end. Regenerate it to try again.`;
      return failed("provider_truncated", detail, true, new LlmFault("truncated", { model }));
    }
    case "empty":
      return emptyFailure(subject, verdict.reason, model);
  }
}

function emptyFailure(subject: string, reason: "nothing" | "hidden" | "filtered", model: string): Failure {
  const details = {
    nothing: "gave an empty reply. Regenerate it, or say it in other words.",
    hidden:
      "gave no reply beside its reasoning or a call of a tool. Raise max_tokens, or choose another model.",
    filtered: "held back its reply by its content filter. Say it in other words.",
  };
  const fault = new LlmFault(`empty: ${reason}`, { model });
  return failed("empty_reply", `${subject} ${details[reason]}`, reason !== "filtered", fault);
}

/** An answer that is not the stream that was asked for. */
export function answerFailure(provider: Provider, what: string, model?: string): Failure {
  const detail = `${provider.subject} answered with ${what} instead of a stream of events. Check that ${provider.baseUrlSetting} leads to an API of OpenAI's kind; most end in /v1.`;
  return failed("provider_error", detail, false, new LlmFault(`answered with ${what}`, { model }));
}

/** A status other than 200; its body may say more. */
export function statusFailure(
  provider: Provider,
  status: number,
  body: string,
  model: string,
  retryAfterS: number | undefined,
): Failure {
  return errorFailure(provider, errorIn(body), status, model, retryAfterS);
}

/** The error of a JSON body, or null where there is none. */
export function errorIn(body: string): unknown {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== "object" || parsed === null) return null;
    const { error, message } = parsed as Record<string, unknown>;
    return error || message || null;
  } catch {
    return null;
  }
}

/**
 * What a provider's error comes to. Its own words are only compared, never handed on: providers quote
 * keys and prompts in them.
 */
export function errorFailure(
  provider: Provider,
  error: unknown,
  statusOfAnswer: number | null,
  model: string,
  retryAfterS?: number,
): Failure {
  const { codes, message, code } = wordsOf(error);
  const status = statusOfAnswer ?? (typeof code === "number" && code >= 400 && code < 600 ? code : null);
  const kind =
    kinds.find((each) => each.codes.test(codes) || each.message?.test(message)) ??
    kinds.find((each) => status !== null && each.statuses?.includes(status));
  const shown = status === null ? "" : ` (HTTP ${status})`;
  const fault = new LlmFault(kind?.name ?? "unknown", {
    status: status ?? undefined,
    model: model || undefined,
  });
  const retryable = kind?.retryable ?? (status === null || status >= 500);
  const [what, advice] = kind?.says(provider, model) ?? plainly(provider, status, retryable);
  const detail = `${provider.subject} ${what}${shown}. ${advice}`;
  return failed("provider_error", detail, retryable, fault, retryAfterS);
}

function plainly({ baseUrlSetting }: Provider, status: number | null, retryable: boolean): [string, string] {
  if (status !== null && status >= 300 && status < 400) {
    return [`points elsewhere, where Parley does not follow`, `Set ${baseUrlSetting} to where it is now.`];
  }
  if (retryable) return ["answered with an error", tryAgain];
  return ["did not accept the request", "Check the model and the settings of this conversation."];
}

function wordsOf(error: unknown): { codes: string; message: string; code: unknown } {
  if (typeof error === "string") return { codes: "", message: error, code: null };
  if (typeof error !== "object" || error === null) return { codes: "", message: "", code: null };
  const { code, type, message } = error as Record<string, unknown>;
  const codes = [code, type].filter((word) => typeof word === "string").join(" ");
  return { codes, message: typeof message === "string" ? message : "", code };
}

interface Kind {
  readonly name: string;
  readonly codes: RegExp;
  readonly message?: RegExp;
  readonly statuses?: readonly number[];
  readonly retryable: boolean;
  /** What goes on after the provider's name, and what to do about it. */
  says(provider: Provider, model: string): readonly [what: string, advice: string];
}

/** The errors that we can say more of than their status; the first that fits. */
const kinds: readonly Kind[] = [
  {
    name: STRICT_TEMPLATE,
    codes: /^$(?!^)/,
    message: /roles? must alternate|alternate user\/assistant|jinja|chat template|system role not supported/i,
    retryable: false,
    says: (_provider, model) => [
      `could not put this conversation into the form that the model ${quoted(model)} wants`,
      "Choose another model, or another chat template for it.",
    ],
  },
  {
    name: "context_length",
    codes: /context_length_exceeded/,
    message: /context (length|window|size)|maximum context|n_ctx|exceeds? the context|too many tokens/i,
    statuses: [413],
    retryable: false,
    says: (_provider, model) => [
      `says that this conversation does not fit the window of the model ${quoted(model)}`,
      `Lower PARLEY_CONTEXT_TOKENS_MAX, or choose a model with a larger window.`,
    ],
  },
  {
    name: "no_credit",
    codes: /insufficient_quota|billing|payment_required/,
    statuses: [402],
    retryable: false,
    says: () => ["says that its account has no credit left", "Add credit there, or choose another provider."],
  },
  {
    name: "key",
    codes: /invalid_api_key|authentication_error/,
    statuses: [401],
    retryable: false,
    says: ({ keySetting, hasKey }) =>
      keySetting === null || hasKey
        ? ["does not accept the API key", `Check ${keySetting ?? "its access settings"}.`]
        : ["wants an API key", `Set ${keySetting}.`],
  },
  {
    name: "no_model_loaded",
    codes: /no_models?_loaded/,
    message: /no models? (is |are )?(currently )?loaded/i,
    retryable: false,
    says: () => ["has no model loaded", "Load a chat model there and try again."],
  },
  {
    name: "model",
    codes: /model_not_found/,
    message: /model\b.{0,220}\b(not found|does not exist|not loaded)|no such model/i,
    statuses: [404],
    retryable: false,
    says: ({ baseUrlSetting }, model) =>
      model === ""
        ? ["has no API at this address", `Check ${baseUrlSetting}; most end in /v1.`]
        : [
            `does not know the model ${quoted(model)}, or has no API at this address`,
            `Choose a model that it lists, and check ${baseUrlSetting}; most end in /v1.`,
          ],
  },
  {
    name: "content_filter",
    codes: /content_filter|content_policy|moderation/,
    message: /content (management )?policy|content filter/i,
    retryable: false,
    says: () => ["refused this conversation by its content filter", "Say it in other words."],
  },
  {
    name: "setting",
    codes: /unsupported_(parameter|value)|unknown_parameter/,
    retryable: false,
    says: (_provider, model) => [
      `does not take one of this conversation's settings with the model ${quoted(model)}`,
      `Take out temperature and the like, or choose another model.`,
    ],
  },
  {
    name: "rate_limit",
    codes: /rate_limit/,
    statuses: [429],
    retryable: true,
    says: () => ["takes no more requests for now: its rate limit is reached", "Wait a little and try again."],
  },
  {
    name: "overloaded",
    codes: /overloaded/,
    statuses: [503, 529],
    retryable: true,
    says: () => ["is overloaded", "Try again in a moment."],
  },
  {
    name: "slow",
    codes: /request_timeout/,
    statuses: [408],
    retryable: true,
    says: () => ["gave up waiting", "Try again in a moment."],
  },
  {
    name: "forbidden",
    codes: /permission_(denied|error)/,
    statuses: [403],
    retryable: false,
    says: ({ keySetting }) => [
      `does not allow this`,
      `Check what ${keySetting ?? "this server"} may do there.`,
    ],
  },
];

const quoted = (model: string): string => `"${model.length > 80 ? `${model.slice(0, 80)}…` : model}"`;
