import { Problem } from "@parley-chat/sdk/contract/problem";
import { failpoint } from "../../kit/failpoint.ts";
import { documentForGuests } from "../../kit/provider-problem.ts";
import { sha256Hex } from "../../kit/text.ts";
import type { LlmEnd } from "../../ports/llm/llm.ts";
import type { AttemptRecord, Claim, Outcome } from "../../ports/message-store/message-store.ts";
import { assemblePrompt, planPrompt } from "./prompt/assemble.ts";
import type { TurnLog } from "./turn-log.ts";
import type { ChosenModel, TurnUses } from "./turn-uses.ts";

/** Tokens that the wire adds to each message of a prompt, in the estimate. */
export const MESSAGE_OVERHEAD_TOKENS = 4;
/** The longest that a provider's Retry-After is waited for inside a turn; beyond it the turn fails. */
const RETRY_WAIT_MS_MAX = 5_000;
const RETRY_JITTER_MS = 500;

/** Why a run was cut short from our side; `lost`: another process has the turn now. */
export type CutReason = "stop" | "drain" | "lost";

/** What a run has come to: an outcome to store, or `handed_back` where it is another's to end. */
export type RunResult = { kind: "outcome"; outcome: Outcome; epoch: number } | { kind: "handed_back" };

interface Prepared extends ChosenModel {
  messages: Parameters<ChosenModel["llm"]["generate"]>[0]["messages"];
  promptTokens: number;
  promptHash: string;
  replyTokensMax: number;
}

/**
 * Makes the reply of one claimed turn: attempts until one ends it. Stores nothing but its epochs, of
 * which it tells by `onEpoch`.
 */
export async function runTurn(
  uses: TurnUses,
  claim: Claim,
  log: TurnLog,
  signal: AbortSignal,
  onEpoch: (epoch: number) => void,
): Promise<RunResult> {
  const result = await makeReply(uses, claim, log, signal, onEpoch);
  if (result.kind !== "outcome" || !result.outcome.problem || (await uses.isOwner(claim.userId)))
    return result;
  return { ...result, outcome: { ...result.outcome, problem: documentForGuests(result.outcome.problem) } };
}

async function makeReply(
  uses: TurnUses,
  claim: Claim,
  log: TurnLog,
  signal: AbortSignal,
  onEpoch: (epoch: number) => void,
): Promise<RunResult> {
  const run: Run = {
    uses,
    claim,
    log,
    signal,
    onEpoch,
    epoch: claim.epoch,
    attempts: claim.attempts,
    records: [],
  };
  const isCut = claim.isStopRequested || claim.isConversationDeleted || signal.aborted;
  if (isCut) return ending(run, null, { kind: "aborted" });
  if (claim.attempts > uses.attemptsMax) return ending(run, null, exhausted());
  begin(run, "restarted");
  failpoint("k08");

  let prepared: Prepared;
  try {
    prepared = await prepare(uses, claim);
  } catch (error) {
    const problem = Problem.from(error);
    if (problem.code === "internal") uses.reports.trouble("a turn could not be prepared", error);
    return ending(run, null, failure(problem));
  }
  return attempt(run, prepared);
}

type LlmFailure = Extract<LlmEnd, { kind: "failed" }>;

/** How the last attempt ended. Whether the person may try again is said by its problem's row in the table alone. */
type RunEnd = Exclude<LlmEnd, LlmFailure> | Omit<LlmFailure, "retryable" | "cause">;

interface Run {
  uses: TurnUses;
  claim: Claim;
  log: TurnLog;
  signal: AbortSignal;
  onEpoch: (epoch: number) => void;
  epoch: number;
  attempts: number;
  records: AttemptRecord[];
}

const begin = ({ log, claim, epoch }: Run, reason: "restarted" | "failover") =>
  log.begin({ turn: claim.turn, message: claim.message, reply: claim.reply, epoch, reason });

const exhausted = (): RunEnd => ({
  kind: "failed",
  code: "attempts_exhausted",
  detail: "The server was stopped during every attempt at this reply. Regenerate it to try again.",
  usage: null,
});

const failure = ({ code, detail, retryAfterS }: Problem): RunEnd => ({
  kind: "failed",
  code,
  detail,
  ...(retryAfterS !== undefined && { retryAfterS }),
  usage: null,
});

/** Reads what the model is to see: character, history and settings as they are now. */
async function prepare(uses: TurnUses, claim: Claim): Promise<Prepared> {
  const chosen = await uses.chooseModel(claim.settings.model);
  const character = await uses.characterForTurn(claim.characterId, claim.userId);
  if (!character)
    throw new Problem(
      "character_deleted",
      "The character of this conversation is gone, or its owner made it private.",
    );
  const plan = planPrompt({
    character,
    userName: await uses.displayName(claim.userId),
    windowTokens: chosen.contextTokens,
    replyTokensMax: claim.settings.max_tokens ?? uses.replyTokensMax,
    messageOverheadTokens: MESSAGE_OVERHEAD_TOKENS,
    estimateTokens: uses.estimateTokens,
  });
  const history = await uses.store.context({
    conversationId: claim.turn.conversation_id,
    leafSeq: claim.message.seq,
    tokensMax: plan.historyTokensMax,
    messageOverheadTokens: MESSAGE_OVERHEAD_TOKENS,
  });
  const { messages, promptTokens } = assemblePrompt(plan, history.messages, history.isWhole);
  const promptHash = sha256Hex(JSON.stringify(messages));
  return { ...chosen, messages, promptTokens, promptHash, replyTokensMax: plan.replyTokensMax };
}

async function attempt(run: Run, prepared: Prepared): Promise<RunResult> {
  const { uses, claim, log, signal } = run;
  const startedAt = uses.clock.now();
  const startedMono = uses.clock.monotonic();
  let firstTextAt: number | null = null;
  const onText = (text: string) => {
    if (firstTextAt === null) {
      firstTextAt = uses.clock.now();
      uses.reports.firstText(prepared.llm.name, uses.clock.monotonic() - startedMono);
    }
    log.append(text);
    failpoint("k10");
  };
  const settings = claim.settings;
  const { llm, model, messages, replyTokensMax } = prepared;
  const variation = claim.reply.siblings.index;
  const request = { model, messages, replyTokensMax, settings, variation };
  const asked = llm.generate(request, onText, signal);
  failpoint("k09");
  const end = await asked;
  run.records.push(attemptRecord(run, prepared, end, startedAt, firstTextAt));
  if (end.kind === "completed") failpoint("k11");
  if (end.kind !== "failed") return ending(run, prepared, end);

  uses.reports.attemptFailed({ turnId: claim.turn.id, provider: llm.name, code: end.code, cause: end.cause });
  const again = firstTextAt === null && (await mayTryAgain(run, end));
  return again ? attempt(run, prepared) : ending(run, prepared, end);
}

/** R9: another attempt only before any text was seen, within the attempts, the budget and the wait. */
async function mayTryAgain(run: Run, end: LlmFailure): Promise<boolean> {
  const { uses, signal, claim } = run;
  const waitMs = (end.retryAfterS ?? 0) * 1_000;
  if (!end.retryable || end.code === "provider_timeout" || end.code === "empty_reply") return false;
  if (run.attempts >= uses.attemptsMax || waitMs > RETRY_WAIT_MS_MAX || signal.aborted) return false;
  if (!uses.retryBudget.tryTake()) return false;
  await pause(uses, waitMs + uses.random() * RETRY_JITTER_MS, signal);
  if (signal.aborted) return false;
  const next = await uses.store.nextAttempt(claim.turn.id, run.epoch, uses.clock.now());
  if (!next) return false;
  run.epoch = next.epoch;
  run.attempts = next.attempts;
  run.onEpoch(next.epoch);
  begin(run, "failover");
  return true;
}

function pause(uses: TurnUses, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = uses.clock.after(ms, done);
    signal.addEventListener("abort", done);
  });
}

function attemptRecord(
  run: Run,
  prepared: Prepared,
  end: LlmEnd,
  startedAt: number,
  firstTextAt: number | null,
): AttemptRecord {
  const usage = end.kind === "aborted" ? null : end.usage;
  return {
    epoch: run.epoch,
    provider: prepared.llm.name,
    model: prepared.model,
    promptTokens: usage?.promptTokens ?? prepared.promptTokens,
    completionTokens: usage?.completionTokens ?? run.uses.estimateTokens(run.log.text(run.epoch)),
    startedAt,
    firstTextAt,
    endedAt: run.uses.clock.now(),
    error: end.kind === "failed" ? end.code : null,
  };
}

/** Turns the end of a run into the one outcome that is stored. */
function ending(run: Run, prepared: Prepared | null, end: RunEnd): RunResult {
  const { uses, claim, log, signal, epoch } = run;
  const isOthers = signal.reason === "lost" || (signal.reason === "drain" && end.kind !== "completed");
  if (signal.aborted && isOthers) return { kind: "handed_back" };
  // A failure that came with the stop is the stop: the person asked for it.
  const isStopped = end.kind === "aborted" || (end.kind === "failed" && signal.aborted);
  const content = log.text(epoch);
  const counted = end.kind === "aborted" ? null : end.usage;
  if (end.kind === "completed") {
    uses.retryBudget.succeeded();
    if (counted && prepared)
      uses.calibration.learn(prepared.model, prepared.promptTokens, counted.promptTokens);
  }
  const status = isStopped ? "stopped" : end.kind === "completed" ? "completed" : "failed";
  const tokenCount = uses.estimateTokens(content);
  const promptTokens = counted?.promptTokens ?? prepared?.promptTokens ?? 0;
  const completionTokens = counted?.completionTokens ?? tokenCount;
  return {
    kind: "outcome",
    epoch,
    outcome: {
      status,
      replyStatus: status === "completed" ? "complete" : content === "" ? "failed" : "incomplete",
      content,
      contentHash: sha256Hex(content),
      tokenCount,
      finishReason: isStopped ? "stopped" : end.kind === "completed" ? end.finishReason : "error",
      usage:
        content === "" && !counted
          ? null
          : {
              prompt_tokens: promptTokens,
              completion_tokens: completionTokens,
              total_tokens: promptTokens + completionTokens,
              estimated: counted === null,
            },
      problem:
        status === "failed" && end.kind === "failed"
          ? new Problem(end.code, end.detail, {
              ...(end.retryAfterS !== undefined && { retryAfterS: end.retryAfterS }),
            }).toDocument(claim.turn.id)
          : null,
      attempts: run.records,
      promptHash: prepared?.promptHash ?? null,
      at: uses.clock.now(),
    },
  };
}
