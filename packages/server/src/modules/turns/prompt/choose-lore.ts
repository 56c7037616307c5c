import type { ContextMessage } from "../../../ports/message-store/message-store.ts";
import type { PromptPlan } from "./assemble.ts";
import { headed, joined } from "./definition.ts";
import { activeEntries, type LoreText, loreTexts, scanDepthOf, tokenBudgetOf } from "./lore.ts";

/** Of what a prompt may cost, at most so much is lore, whatever a book asks for. */
const SHARE_MAX = 1 / 4;
const HEADING = "Background:";

/** The lore of one prompt: its first system message, and what stands inside the history. */
export interface ChosenLore {
  readonly system: string;
  readonly systemTokens: number;
  /** What lore costs inside the history. */
  readonly depthTokens: number;
  /** All that lore costs beside the plan's fixed part. */
  readonly tokens: number;
  /**
   * What stands where so many messages follow, or "". Where the history begins, whatever belongs before
   * it stands as well.
   */
  atDepth(depth: number, isFirst: boolean): string;
}

/**
 * Calls up the lore of a turn and keeps as much as its budget holds: the book's own, a quarter of the
 * prompt, and what the newest message leaves. What does not fit is dropped from the least important on.
 * Looks at the last messages only, however long the history is.
 */
export function chooseLore(plan: PromptPlan, history: readonly ContextMessage[]): ChosenLore {
  const { lore } = plan;
  const none = compose(plan, []);
  if (!lore) return none;
  const newest = history.at(-1);
  const newestTokens = newest ? newest.tokenCount + plan.messageOverheadTokens : 0;
  const budget = Math.min(
    tokenBudgetOf(lore.book) ?? Number.POSITIVE_INFINITY,
    Math.floor(plan.promptTokensMax * SHARE_MAX),
    plan.historyTokensMax - newestTokens,
  );
  const depth = scanDepthOf(lore.book);
  const said = depth === 0 ? [] : history.slice(-depth).map(({ content }) => content);
  const chosen: ReturnType<typeof activeEntries> = [];
  let left = budget;
  for (const entry of activeEntries(lore.book, said)) {
    const [only] = loreTexts([entry], lore.names, lore.lengthMax);
    const cost = only ? plan.costOf(only.text) - plan.messageOverheadTokens : 0;
    // One that is too long for the whole budget can never be there, and keeps no other out.
    if (cost > budget) continue;
    left -= cost;
    if (left < 0) break;
    chosen.push(entry);
  }
  // Headings and joints cost as well; the whole is what counts.
  for (; chosen.length > 0; chosen.pop()) {
    const composed = compose(plan, loreTexts(chosen, lore.names, lore.lengthMax));
    if (composed.tokens <= budget) return composed;
  }
  return none;
}

function compose(plan: PromptPlan, texts: readonly LoreText[]): ChosenLore {
  const { opening, description } = plan.definition;
  const at = (kind: "before" | "after") =>
    headed(HEADING, joined(texts.filter(({ place }) => place.kind === kind).map(({ text }) => text)));
  const isPlain = texts.every(({ place }) => place.kind === "depth");
  const system = isPlain ? plan.system : joined([opening, at("before"), description, at("after")]);
  const systemTokens = isPlain ? plan.systemTokens : plan.costOf(system);

  const byDepth = new Map<number, string[]>();
  for (const { place, text } of texts) {
    if (place.kind === "depth") byDepth.set(place.depth, [...(byDepth.get(place.depth) ?? []), text]);
  }
  const background = (inside: readonly string[]) => headed(HEADING, joined(inside));
  const depthTokens = [...byDepth.values()].reduce((sum, inside) => sum + plan.costOf(background(inside)), 0);
  const deepestFirst = [...byDepth].sort(([a], [b]) => b - a);
  return {
    system,
    systemTokens,
    depthTokens,
    tokens: systemTokens - plan.systemTokens + depthTokens,
    atDepth: (depth, isFirst) =>
      background(
        deepestFirst.flatMap(([at, inside]) => (at === depth || (isFirst && at > depth) ? inside : [])),
      ),
  };
}
