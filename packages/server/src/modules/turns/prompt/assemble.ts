import { Problem } from "@parley-chat/sdk/contract/problem";
import { stripControl } from "../../../kit/text.ts";
import type { PromptMessage } from "../../../ports/llm/llm.ts";
import type { ContextMessage } from "../../../ports/message-store/message-store.ts";
import {
  DEFAULT_PLATFORM_PROMPT,
  definitionOf,
  exampleBlocksOf,
  type PromptCharacter,
} from "./definition.ts";
import { macroNames } from "./macros.ts";

export type { PromptCharacter } from "./definition.ts";

/** Tokens that a chat template spends around all messages, before the reply. */
export const PROMPT_OVERHEAD_TOKENS = 3;

/**
 * No text worth sending has more UTF-16 units to a token. A definition beyond that many times the
 * window is refused uncounted: expanding and counting megabytes would hold up everyone else.
 */
const UNITS_PER_TOKEN_MAX = 32;

export interface PromptInput {
  character: PromptCharacter;
  /** The display name; "User" where it is blank. */
  userName: string;
  /** The model's window: prompt and reply. */
  windowTokens: number;
  /** The longest reply that is wanted; never more than half the window is given. */
  replyTokensMax: number;
  /** What each message costs beside its text. */
  messageOverheadTokens: number;
  /** Counts or estimates the tokens of a text; never negative. */
  estimateTokens(text: string): number;
  /** What a card's own system prompt replaces. */
  platformPrompt?: string;
}

/** The fixed part of a prompt, and what it leaves for the history. */
export interface PromptPlan {
  /** What prompts may cost in all: the window less the reply. */
  readonly promptTokensMax: number;
  /** What the model may be asked for. */
  readonly replyTokensMax: number;
  /** What every prompt of this character costs before any history and examples. */
  readonly fixedTokens: number;
  /** What the history may cost, `messageOverheadTokens` for each message included. */
  readonly historyTokensMax: number;
  readonly messageOverheadTokens: number;
  /** Whether a message of so many tokens can be sent at all, with no other history. */
  fits(messageTokens: number): boolean;
  /** The first system message without examples, or "". */
  readonly system: string;
  /** The trailing system message, or "". */
  readonly postHistory: string;
  /** What `system` costs; it is a part of `fixedTokens`. */
  readonly systemTokens: number;
  /** What a message of this text costs; "" makes none and costs nothing. */
  costOf(text: string): number;
  /** Blocks of example dialogue, the author's first choice first. */
  exampleBlocks(): string[];
}

/** The part of a plan that says whether a message fits. */
export type PromptShare = Pick<
  PromptPlan,
  "fixedTokens" | "promptTokensMax" | "historyTokensMax" | "messageOverheadTokens"
>;

export interface Prompt {
  readonly messages: PromptMessage[];
  /** Exactly what was counted: never more than `promptTokensMax`. */
  readonly promptTokens: number;
  readonly examplesUsed: number;
  readonly historyUsed: number;
}

/** Counts what does not change with the history. Reads nothing, so a send can check `fits` first. */
export function planPrompt(input: PromptInput): PromptPlan {
  const { character, messageOverheadTokens, estimateTokens } = input;
  const windowTokens = Math.max(0, Math.floor(input.windowTokens));
  const replyTokensMax = Math.max(1, Math.min(input.replyTokensMax, Math.floor(windowTokens / 2)));
  const promptTokensMax = Math.max(0, windowTokens - replyTokensMax);
  const lengthMax = promptTokensMax * UNITS_PER_TOKEN_MAX;
  const names = macroNames(character, input.userName);
  const platformPrompt = input.platformPrompt ?? DEFAULT_PLATFORM_PROMPT;
  const { system, postHistory } = definitionOf(character, names, platformPrompt, lengthMax);

  const costOf = (text: string) => (text === "" ? 0 : estimateTokens(text) + messageOverheadTokens);
  const isHopeless = system.length + postHistory.length > lengthMax;
  const systemTokens = isHopeless ? promptTokensMax + 1 : costOf(system);
  const fixedTokens = PROMPT_OVERHEAD_TOKENS + systemTokens + (isHopeless ? 0 : costOf(postHistory));
  return {
    promptTokensMax,
    replyTokensMax,
    fixedTokens,
    historyTokensMax: Math.max(0, promptTokensMax - fixedTokens),
    messageOverheadTokens,
    fits: (messageTokens) => fixedTokens + messageTokens + messageOverheadTokens <= promptTokensMax,
    system,
    postHistory,
    systemTokens,
    costOf,
    exampleBlocks: () => exampleBlocksOf(character, names, lengthMax),
  };
}

/** The problem of a message that does not fit, with the figures that tell what to shorten. */
export function exceedsContext(plan: PromptShare, messageTokens: number): Problem {
  const detail =
    plan.fixedTokens + plan.messageOverheadTokens >= plan.promptTokensMax
      ? `The character's definition alone fills the ${plan.promptTokensMax} tokens that the model leaves for a prompt: shorten it, or choose a model with a larger window.`
      : `The message has about ${messageTokens} tokens, and beside the character's definition the model has room for ${plan.historyTokensMax - plan.messageOverheadTokens}: shorten it, or choose a model with a larger window.`;
  return new Problem("message_exceeds_context", detail);
}

/**
 * Puts the prompt together: definition and examples as the first system message, the history as it was
 * said, the post-history instructions as the last system message, where models heed them most.
 *
 * When it does not all fit, examples go first, then the history, oldest first; the newest message (the
 * user's that is to be answered) never goes. Of the examples as many whole blocks stay, from the
 * author's first on, as the history leaves room for; none while any of the history is left out.
 *
 * R15: only the definition speaks as system. What a history holds under another role than the
 * assistant's goes to the model as the user's.
 * @param history the branch, oldest first, as far as the store read it
 * @param isWhole whether nothing older was left unread
 * @throws `message_exceeds_context` where the newest message does not fit beside the definition
 */
export function assemblePrompt(
  plan: PromptPlan,
  history: readonly ContextMessage[],
  isWhole: boolean,
): Prompt {
  const { first, historyTokens } = newestThatFit(plan, history, isWhole);
  const isAllOfIt = isWhole && first === 0;
  const { system, systemTokens, examplesUsed } = isAllOfIt
    ? withExamples(plan, plan.historyTokensMax - historyTokens)
    : withoutExamples(plan);

  const messages: PromptMessage[] = [];
  if (system !== "") messages.push({ role: "system", content: system });
  let historyUsed = 0;
  for (let i = first; i < history.length; i++) {
    const { role, content: stored } = history[i] as ContextMessage;
    const content = stripControl(stored);
    // Nothing is left of it that a model could read, and providers refuse empty messages.
    if (content === "" && i < history.length - 1) continue;
    messages.push({ role: role === "assistant" ? "assistant" : "user", content });
    historyUsed++;
  }
  if (plan.postHistory !== "") messages.push({ role: "system", content: plan.postHistory });
  const promptTokens = plan.fixedTokens - plan.systemTokens + systemTokens + historyTokens;
  return { messages, promptTokens, examplesUsed, historyUsed };
}

/** Where the history that fits begins, and what it costs. Walks stored counts, no text. */
function newestThatFit(
  plan: PromptPlan,
  history: readonly ContextMessage[],
  isWhole: boolean,
): { first: number; historyTokens: number } {
  const newest = history.at(-1);
  const nothingFits = newest ? !plan.fits(newest.tokenCount) : !isWhole;
  if (nothingFits || plan.fixedTokens > plan.promptTokensMax) {
    throw exceedsContext(plan, newest?.tokenCount ?? plan.historyTokensMax);
  }
  let first = history.length;
  let historyTokens = 0;
  while (first > 0) {
    const cost = (history[first - 1] as ContextMessage).tokenCount + plan.messageOverheadTokens;
    if (historyTokens + cost > plan.historyTokensMax) break;
    historyTokens += cost;
    first--;
  }
  return { first, historyTokens };
}

interface FirstMessage {
  system: string;
  systemTokens: number;
  examplesUsed: number;
}

const withoutExamples = ({ system, systemTokens }: PromptPlan): FirstMessage => ({
  system,
  systemTokens,
  examplesUsed: 0,
});

/** As many blocks as fit into `spareTokens`, from the first on. */
function withExamples(plan: PromptPlan, spareTokens: number): FirstMessage {
  const used: string[] = [];
  let left = spareTokens;
  for (const block of spareTokens > 0 ? plan.exampleBlocks() : []) {
    left -= plan.costOf(`\n\n${block}`) - plan.messageOverheadTokens;
    if (left < 0) break;
    used.push(block);
  }
  // Counts of parts need not add up to the count of the whole, so the whole is counted once more.
  for (; used.length > 0; used.pop()) {
    const system = [plan.system, ...used].filter((part) => part !== "").join("\n\n");
    const systemTokens = plan.costOf(system);
    if (systemTokens <= plan.systemTokens + spareTokens) {
      return { system, systemTokens, examplesUsed: used.length };
    }
  }
  return withoutExamples(plan);
}
