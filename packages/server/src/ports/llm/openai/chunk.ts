import type { FinishReason } from "@parley-chat/sdk/contract";
import type { LlmUsage } from "../llm.ts";

/** What one event of the stream says, as far as it concerns us. */
export interface Chunk {
  /** Text for the reader. */
  text: string;
  /** Characters that are no text for the reader: reasoning, arguments of tools. */
  hiddenLength: number;
  /** Why the provider ended the reply, as it calls it. */
  finish: string | null;
  isRefusal: boolean;
  isToolCall: boolean;
  usage: LlmUsage | null;
  /** The error object or text where the event is an error. */
  error: unknown;
}

type Fields = Record<string, unknown>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/**
 * Reads one event of `/chat/completions`; null where it is none (no JSON object, `choices` that are no
 * list). Unknown fields are nothing to us. Only the first choice counts: we ask for one. Text under
 * another role than the assistant's is not the reply.
 */
export function readChunk(data: string): Chunk | null {
  const event = parse(data);
  if (!isFields(event)) return null;
  const choices = event.choices ?? [];
  if (!Array.isArray(choices)) return null;
  const chunk: Chunk = {
    text: "",
    hiddenLength: 0,
    finish: null,
    isRefusal: false,
    isToolCall: false,
    usage: event.usage === undefined || event.usage === null ? null : readUsage(event.usage),
    // Some servers send it with every event, as false or empty where there is none.
    error: event.error || (event.object === "error" ? event : null),
  };
  for (const choice of choices as unknown[]) {
    if (isFields(choice) && (choice.index ?? 0) === 0) addChoice(chunk, choice, data.length);
  }
  return chunk;
}

/** How servers that mean `null` write it as a text: the reply goes on. */
const NOT_YET = /^(null)?$/i;

function addChoice(chunk: Chunk, choice: Fields, length: number): void {
  const reason = choice.finish_reason;
  if (typeof reason === "string" && !NOT_YET.test(reason)) chunk.finish = reason;
  const delta = choice.delta;
  if (!isFields(delta)) return;
  if (typeof delta.role === "string" && delta.role !== "" && delta.role !== "assistant") return;
  const refusal = textOf(delta.refusal);
  chunk.text += textOf(delta.content) + refusal;
  chunk.isRefusal ||= refusal !== "";
  chunk.hiddenLength += textOf(delta.reasoning_content).length + textOf(delta.reasoning).length;
  if (delta.tool_calls || delta.function_call) {
    chunk.isToolCall = true;
    chunk.hiddenLength += length;
  }
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}

/** Usage that can be true, or null. A prompt is never without tokens: servers that do not count send 0. */
function readUsage(value: unknown): LlmUsage | null {
  if (!isFields(value)) return null;
  const { prompt_tokens: promptTokens, completion_tokens: completionTokens } = value;
  if (!isCount(promptTokens) || !isCount(completionTokens) || promptTokens === 0) return null;
  return { promptTokens, completionTokens };
}

const TOKENS_MAX = 1_000_000_000;
const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= TOKENS_MAX;

/** Reasons that say the reply was broken off, by whatever name. */
const brokenOff = new Set(["error", "abort", "aborted", "cancelled", "insufficient_system_resource"]);

const known: Readonly<Record<string, FinishReason>> = {
  length: "length",
  max_tokens: "length",
  max_output_tokens: "length",
  model_length: "length",
  content_filter: "content_filter",
  safety: "content_filter",
};

/**
 * What a provider's finish reason is to us. One that we do not know counts as `stop`: the provider did
 * say that the reply has ended, and servers have many names for it (`eos`, `end_turn`, …).
 */
export const finishOf = (reason: string): FinishReason => {
  const name = reason.toLowerCase();
  return brokenOff.has(name) ? "error" : (known[name] ?? "stop");
};
