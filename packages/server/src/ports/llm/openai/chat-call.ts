import type { IncomingMessage } from "node:http";
import type { Clock } from "../../../kit/clock.ts";
import type { LlmEnd, LlmRequest } from "../llm.ts";
import {
  answerFailure,
  errorFailure,
  errorIn,
  type Failure,
  networkFailure,
  type Provider,
  statusFailure,
  streamFailure,
  timeoutFailure,
} from "./failures.ts";
import { createReplyReader, type Verdict } from "./reply-reader.ts";
import { retryAfterS } from "./retry-after.ts";
import { readBody, type Transport } from "./transport.ts";
import { createWatch, type LlmTimers } from "./watch.ts";

/** Bodies of errors are read up to this, for this long. */
const ERROR_BODY_BYTES_MAX = 16_384;
const ERROR_BODY_TIMEOUT_MS = 3_000;
/** After the marker an answer may take this long to close, so that its connection can be kept. */
const CLOSE_TIMEOUT_MS = 1_000;

export interface ChatUses {
  transport: Transport;
  provider: Provider;
  timers: LlmTimers;
  clock: Clock;
  marker: "done" | "finish";
  replyCharactersMax: number;
}

/** One call for a reply: from the request to exactly one end. Never rejects. */
export function callChat(
  uses: ChatUses,
  request: LlmRequest,
  body: string,
  onText: (text: string) => void,
  signal: AbortSignal,
): Promise<LlmEnd> {
  if (signal.aborted) return Promise.resolve({ kind: "aborted" });
  const { transport, provider, timers, clock, marker, replyCharactersMax } = uses;
  const { promise, resolve } = Promise.withResolvers<LlmEnd>();
  let isOver = false;
  let exchange: { destroy(): void } | undefined;

  const finish = (end: LlmEnd, keepsConnection = false) => {
    if (isOver) return;
    isOver = true;
    watch.stop();
    signal.removeEventListener("abort", abort);
    if (!keepsConnection) exchange?.destroy();
    resolve(end);
  };
  const abort = () => finish({ kind: "aborted" });
  const fail = (failure: Failure) => finish({ ...failure, usage: reader.usage() });
  const failInternally = (cause: unknown) => {
    const detail = "Parley could not take in the reply. The log says why.";
    finish({ kind: "failed", code: "internal", detail, retryable: false, usage: reader.usage(), cause });
  };

  const watch = createWatch({
    timers,
    clock,
    onExpired: (which) => fail(timeoutFailure(provider, which, timers, request.model)),
  });
  const reader = createReplyReader({
    onText: (text) => {
      if (!isOver) onText(text);
    },
    replyCharactersMax,
    marker,
  });

  const settle = (verdict: Verdict, response: IncomingMessage) => {
    if (verdict.kind !== "completed") return fail(streamFailure(provider, verdict, request.model));
    const { finishReason, isCapped } = verdict;
    finish({ kind: "completed", finishReason, usage: reader.usage() }, !isCapped);
    if (isCapped) return;
    const cancel = clock.after(CLOSE_TIMEOUT_MS, () => response.destroy());
    response.once("close", cancel);
  };

  const readStream = (response: IncomingMessage) => {
    response.on("data", (chunk: Buffer) => {
      if (isOver) return;
      const before = reader.progress();
      try {
        const verdict = reader.push(chunk);
        watch.arrived(reader.progress() !== before);
        if (verdict) settle(verdict, response);
      } catch (error) {
        failInternally(error);
      }
    });
    response.once("end", () => {
      if (isOver) return;
      if (!reader.hasEvents()) return fail(answerFailure(provider, "an empty body", request.model));
      try {
        settle(reader.end(), response);
      } catch (error) {
        failInternally(error);
      }
    });
  };

  /** The stream broke: what stands of it is no complete reply. Comes behind every end, too, so it looks first. */
  const readCut = () => {
    if (!isOver) fail(streamFailure(provider, { kind: "truncated" }, request.model));
  };

  const readError = (response: IncomingMessage, judge: (body: string) => Failure) => {
    const cancel = clock.after(ERROR_BODY_TIMEOUT_MS, () => response.destroy());
    readBody(response, ERROR_BODY_BYTES_MAX, (text, isWhole) => {
      cancel();
      finish({ ...judge(text), usage: null }, isWhole);
    });
  };

  const onResponse = (response: IncomingMessage) => {
    const { statusCode: status = 0, headers } = response;
    const type = headers["content-type"] ?? "no content type";
    const encoding = headers["content-encoding"] ?? "identity";
    if (status !== 200) {
      const waitS = retryAfterS(headers["retry-after"], clock.now());
      return readError(response, (text) => statusFailure(provider, status, text, request.model, waitS));
    }
    response.on("error", readCut);
    if (encoding !== "identity") return fail(answerFailure(provider, "a compressed body", request.model));
    if (/^text\/event-stream\b/i.test(type)) {
      response.once("close", readCut);
      return readStream(response);
    }
    readError(response, (text) => {
      const error = errorIn(text);
      if (error !== null) return errorFailure(provider, error, null, request.model);
      return answerFailure(provider, text === "" ? "an empty body" : "another kind of body", request.model);
    });
  };

  signal.addEventListener("abort", abort);
  try {
    exchange = transport.open({
      method: "POST",
      path: transport.path("/chat/completions"),
      body,
      accept: "text/event-stream",
      onConnected: watch.connected,
      onResponse,
      onError: (error) => fail(networkFailure(provider, error, request.model)),
    });
  } catch (error) {
    fail(networkFailure(provider, error as NodeJS.ErrnoException, request.model));
  }
  return promise;
}
