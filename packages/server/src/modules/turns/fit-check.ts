import { recentMap } from "../../kit/recent-map.ts";
import { exceedsContext, type PromptShare, planPrompt } from "./prompt/assemble.ts";
import { MESSAGE_OVERHEAD_TOKENS } from "./runner.ts";
import type { TurnUses } from "./turn-uses.ts";

const SHARES_MAX = 5_000;

type FitUses = Pick<TurnUses, "characterForTurn" | "displayName" | "estimateTokens" | "replyTokensMax"> & {
  /** The window of a model in tokens, from what is known now. */
  windowTokens(model: string | undefined): number;
};

/**
 * Whether a message can fit the model's window beside what its character always costs; throws
 * `message_exceeds_context`. The character's share is counted once for each version, window and name,
 * not for each message.
 */
export function createFitCheck(uses: FitUses) {
  const shares = recentMap<string, PromptShare>(SHARES_MAX);
  const { estimateTokens } = uses;

  return async (
    target: { characterId: string; settings: { model?: string; max_tokens?: number } },
    userId: string,
    contentTokens: number,
  ): Promise<void> => {
    const character = await uses.characterForTurn(target.characterId, userId);
    if (!character) return;
    const userName = await uses.displayName(userId);
    const windowTokens = uses.windowTokens(target.settings.model);
    const replyTokensMax = target.settings.max_tokens ?? uses.replyTokensMax;
    const key = `${target.characterId} ${character.version} ${windowTokens} ${replyTokensMax} ${userName}`;
    let share = shares.get(key);
    if (!share) {
      const messageOverheadTokens = MESSAGE_OVERHEAD_TOKENS;
      const sizes = { windowTokens, replyTokensMax, messageOverheadTokens };
      const { fixedTokens, promptTokensMax, historyTokensMax } = planPrompt({
        character,
        userName,
        estimateTokens,
        ...sizes,
      });
      share = { fixedTokens, promptTokensMax, historyTokensMax, messageOverheadTokens };
      shares.set(key, share);
    }
    const needed = share.fixedTokens + MESSAGE_OVERHEAD_TOKENS + contentTokens;
    if (needed > share.promptTokensMax) throw exceedsContext(share, contentTokens);
  };
}
