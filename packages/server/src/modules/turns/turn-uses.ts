import type { Clock } from "../../kit/clock.ts";
import type { Llm } from "../../ports/llm/llm.ts";
import type { MessageStore, Outcome } from "../../ports/message-store/message-store.ts";
import type { PromptCharacter } from "./prompt/assemble.ts";

/** A character as a turn needs it: its newest version, deleted or not. */
export interface TurnCharacter extends PromptCharacter {
  version: number;
  isDeleted: boolean;
}

/** The model that a turn is given. */
export interface ChosenModel {
  llm: Llm;
  model: string;
  contextTokens: number;
}

/** What the turn engine reports of itself; each call is cheap. */
export interface TurnReports {
  ended(outcome: { turnId: string; outcome: Outcome; durationMs: number }): void;
  firstText(provider: string, latencyMs: number): void;
  attemptFailed(details: { turnId: string; provider: string; code: string; cause: unknown }): void;
  trouble(what: string, cause: unknown): void;
}

/** Everything that the turn engine uses, handed in. */
export interface TurnUses {
  store: MessageStore;
  clock: Clock;
  /** Which run of which process this is; claims carry it. */
  owner: string;
  /** No other process serves this store: what another owner left behind is free at once. */
  isSoleProcess: boolean;
  /** Its newest version, if this user may see it or could until it was deleted. */
  characterForTurn(characterId: string, userId: string): Promise<TurnCharacter | null>;
  characterVersion(characterId: string): Promise<number | null>;
  displayName(userId: string): Promise<string>;
  /** Who runs the server: hears of a provider's failure with its address and settings. */
  isOwner(userId: string): Promise<boolean>;
  chooseModel(model: string | undefined): Promise<ChosenModel>;
  estimateTokens(text: string): number;
  /** Hears what the provider counted, beside our estimate. */
  calibration: { learn(model: string, estimated: number, counted: number): void };
  /** R9: whether another attempt may be made now. */
  retryBudget: { tryTake(): boolean; succeeded(): void };
  /** A number in [0, 1), for jitter. */
  random(): number;
  replyTokensMax: number;
  attemptsMax: number;
  runningMax: number;
  /** A turn of this conversation began or ended; told after it was stored. */
  onActivity(conversationId: string, userId: string): void;
  reports: TurnReports;
}
