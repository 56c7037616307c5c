import type { Log } from "../kit/log.ts";
import type { Metrics } from "../kit/metrics.ts";
import type { TurnReports } from "../modules/turns/turn-uses.ts";
import { LlmFault } from "../ports/llm/fault.ts";

/** What becomes of turns, as the log and the metrics have it. */
export function turnReports(log: Log, metrics: Metrics): TurnReports {
  return {
    firstText: (provider, durationMs) => metrics.firstToken({ provider, durationMs }),
    ended({ turnId, outcome, durationMs }) {
      const last = outcome.attempts.at(-1);
      metrics.turnEnded({
        status: outcome.status,
        provider: last?.provider ?? "none",
        promptTokens: outcome.usage?.prompt_tokens ?? 0,
        completionTokens: outcome.usage?.completion_tokens ?? 0,
      });
      log.debug("a turn ended", {
        turn_id: turnId,
        status: outcome.status,
        duration_ms: durationMs,
        code: outcome.problem?.code ?? null,
      });
    },
    attemptFailed: ({ turnId, provider, code, cause }) =>
      log.warn("a provider failed", {
        turn_id: turnId,
        provider,
        code,
        ...(cause instanceof LlmFault ? faultFields(cause) : { error: cause }),
      }),
    trouble: (what, cause) => log.error(what, { error: cause }),
  };
}

const faultFields = ({ kind, status, model }: LlmFault) => ({
  reason: kind,
  ...(status !== undefined && { status }),
  ...(model !== undefined && { model }),
});
