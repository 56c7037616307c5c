import { Problem } from "@parley-chat/sdk/contract/problem";
import { stripControl } from "../../../kit/text.ts";
import type { PromptMessage } from "../../../ports/llm/llm.ts";
import type { ContextMessage } from "../../../ports/message-store/message-store.ts";
import { type ChosenLore, chooseLore } from "./choose-lore.ts";
import {
  DEFAULT_PLATFORM_PROMPT,
  type Definition,
  definitionOf,
  exampleBlocksOf,
  joined,
  type PromptCharacter,
} from "./definition.ts";
import type { LoreBook } from "./lore.ts";
import { type MacroValues, macroNames } from "./macros.ts";

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
  /** The first system message without lore and examples, or "". */
  readonly system: string;
  /** The parts of `system`, between which lore has its places. */
  readonly definition: Definition;
  /** The card's book, and how to fill its macros. */
  readonly lore: { readonly book: LoreBook; readonly names: MacroValues; readonly lengthMax: number } | null;
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
  const definition = definitionOf(character, names, platformPrompt, lengthMax);
  const { postHistory } = definition;
  const system = joined([definition.opening, definition.description]);

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
    definition,
    lore: character.character_book ? { book: character.character_book, names, lengthMax } : null,
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
 * Entries of the card's book that the last messages call up come with the definition, or so many messages
 * before the end. They have a share of their own at most, and yield to the newest message, not to older ones.
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
  checkNewestFits(plan, history, isWhole);
  const lore = chooseLore(plan, history);
  const { first, historyTokens } = newestThatFit(plan, history, plan.historyTokensMax - lore.tokens);
  const isAllOfIt = isWhole && first === 0;
  const spareTokens = isAllOfIt ? plan.historyTokensMax - lore.tokens - historyTokens : 0;
  const { system, systemTokens, examplesUsed } = withExamples(plan, lore, spareTokens);

  const messages: PromptMessage[] = [];
  if (system !== "") messages.push({ role: "system", content: system });
  let historyUsed = 0;
  for (let i = first; i < history.length; i++) {
    const background = lore.atDepth(history.length - i, i === first);
    if (background !== "") messages.push({ role: "system", content: background });
    const { role, content: stored } = history[i] as ContextMessage;
    const content = stripControl(stored);
    // Nothing is left of it that a model could read, and providers refuse empty messages.
    if (content === "" && i < history.length - 1) continue;
    messages.push({ role: role === "assistant" ? "assistant" : "user", content });
    historyUsed++;
  }
  const nearest = lore.atDepth(0, first === history.length);
  if (nearest !== "") messages.push({ role: "system", content: nearest });
  if (plan.postHistory !== "") messages.push({ role: "system", content: plan.postHistory });
  const promptTokens = plan.fixedTokens - plan.systemTokens + systemTokens + lore.depthTokens + historyTokens;
  return { messages, promptTokens, examplesUsed, historyUsed };
}

function checkNewestFits(plan: PromptPlan, history: readonly ContextMessage[], isWhole: boolean): void {
  const newest = history.at(-1);
  const nothingFits = newest ? !plan.fits(newest.tokenCount) : !isWhole;
  if (nothingFits || plan.fixedTokens > plan.promptTokensMax) {
    throw exceedsContext(plan, newest?.tokenCount ?? plan.historyTokensMax);
  }
}

/** Where the history that fits begins, and what it costs. Walks stored counts, no text. */
function newestThatFit(
  plan: PromptPlan,
  history: readonly ContextMessage[],
  tokensMax: number,
): { first: number; historyTokens: number } {
  let first = history.length;
  let historyTokens = 0;
  while (first > 0) {
    const cost = (history[first - 1] as ContextMessage).tokenCount + plan.messageOverheadTokens;
    if (historyTokens + cost > tokensMax) break;
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

/** As many blocks of examples as fit into `spareTokens`, from the first on, behind definition and lore. */
function withExamples(plan: PromptPlan, lore: ChosenLore, spareTokens: number): FirstMessage {
  const used: string[] = [];
  let left = spareTokens;
  for (const block of spareTokens > 0 ? plan.exampleBlocks() : []) {
    left -= plan.costOf(`\n\n${block}`) - plan.messageOverheadTokens;
    if (left < 0) break;
    used.push(block);
  }
  // Counts of parts need not add up to the count of the whole, so the whole is counted once more.
  for (; used.length > 0; used.pop()) {
    const system = joined([lore.system, ...used]);
    const systemTokens = plan.costOf(system);
    if (systemTokens <= lore.systemTokens + spareTokens) {
      return { system, systemTokens, examplesUsed: used.length };
    }
  }
  return { system: lore.system, systemTokens: lore.systemTokens, examplesUsed: 0 };
}
