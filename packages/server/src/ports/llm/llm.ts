import type { ConversationSettings, FinishReason, ProblemCode } from "@parley-chat/sdk/contract";

/** One message of a prompt. Roles are structural: no text can change the role of another. */
export interface PromptMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface LlmRequest {
  readonly model: string;
  readonly messages: readonly PromptMessage[];
  /** Tokens that the reply may have, at most. */
  readonly replyTokensMax: number;
  /** Which reply to the same message this is, from 0: a model without chance of its own varies by it. */
  readonly variation?: number;
  readonly settings: ConversationSettings;
}

export interface LlmUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/**
 * How a call ended. `completed` only with the provider's terminal marker (or a documented cap): a
 * stream that breaks off, stalls or lies is `failed`, whatever text came before.
 */
export type LlmEnd =
  | { readonly kind: "completed"; readonly finishReason: FinishReason; readonly usage: LlmUsage | null }
  | {
      readonly kind: "failed";
      readonly code: ProblemCode;
      /** Public and self-sufficient: what happened and what to do. Holds no key and no user text. */
      readonly detail: string;
      /** Whether another attempt could do better, provided that no text came yet. */
      readonly retryable: boolean;
      /** What the provider asks us to wait, in seconds, 0 to 300. */
      readonly retryAfterS?: number;
      readonly usage: LlmUsage | null;
      /** For the log. */
      readonly cause?: unknown;
    }
  | { readonly kind: "aborted" };

export interface LlmModel {
  readonly id: string;
  /** The provider's context window in tokens, or null where it does not say. */
  readonly contextTokens: number | null;
}

/**
 * A model provider. `generate` calls `onText` with pieces of the reply as they arrive, synchronously
 * and in order, each well-formed UTF-16 without NUL (what was not is U+FFFD), never after it resolved.
 * It never rejects and never hangs: every wait has a timer of R6. Aborting the signal closes the
 * upstream request at once and ends as `aborted`.
 */
export interface Llm {
  /** `openai`, `lmstudio`, `demo`, … */
  readonly name: string;
  /** Where it is, for messages to people; no credentials in it. */
  readonly address: string | null;
  generate(request: LlmRequest, onText: (text: string) => void, signal: AbortSignal): Promise<LlmEnd>;
  /**
   * The chat models, the preferred first; embedding and similar models are left out. Rejects with the
   * problem `provider_unavailable` or `provider_error`.
   * @param timeoutMs how long to wait in all
   */
  models(timeoutMs: number): Promise<LlmModel[]>;
}
