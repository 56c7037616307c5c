import type { FinishReason } from "@parley-chat/sdk/contract";
import { createEventReader, EventTooLarge } from "../../../kit/event-reader.ts";
import { isBlank } from "../../../kit/text.ts";
import type { LlmUsage } from "../llm.ts";
import { type Chunk, finishOf, readChunk } from "./chunk.ts";
import { createTextPieces } from "./text-pieces.ts";
import { createTextTemplate } from "./text-template.ts";

/** What the stream itself came to. */
export type Verdict =
  /** `isCapped`: we ended it, the provider would go on. */
  | { readonly kind: "completed"; readonly finishReason: FinishReason; readonly isCapped: boolean }
  /** The provider put an error into its stream. */
  | { readonly kind: "error"; readonly error: unknown }
  | { readonly kind: "malformed"; readonly reason: string }
  | { readonly kind: "truncated" }
  /** It ended in good order and said nothing. */
  | { readonly kind: "empty"; readonly reason: "nothing" | "hidden" | "filtered" };

export interface ReplyReaderOptions {
  onText(text: string): void;
  /** Text and reasoning together, in UTF-16 units; beyond it the reply ends as `length`. */
  replyCharactersMax: number;
  /**
   * What ends a reply: `done` asks for a finish reason and then `[DONE]`; `finish` takes a finish reason
   * and the orderly end of the answer, for servers known to send no `[DONE]`.
   */
  marker: "done" | "finish";
}

export interface ReplyReader {
  /** Takes bytes, gives out their text in one piece; a verdict once there is one, else null. */
  push(chunk: Buffer): Verdict | null;
  /** The answer has ended in good order without a verdict. */
  end(): Verdict;
  usage(): LlmUsage | null;
  /** Rises with every event that brings the reply forward: text, reasoning. Comments do not. */
  progress(): number;
  /** Whether any event came at all. */
  hasEvents(): boolean;
}

/**
 * Reads the stream of `/chat/completions`. A reply is complete only where the provider said why it
 * ended and closed with its marker. What comes after the finish reason is usage; text there is ignored.
 */
export function createReplyReader(options: ReplyReaderOptions): ReplyReader {
  const pieces = createTextPieces(options.onText);
  const template = createTextTemplate();
  let verdict: Verdict | null = null;
  let usage: LlmUsage | null = null;
  let finish: string | null = null;
  let piece = "";
  let length = 0;
  let progress = 0;
  let hasEvents = false;
  let hasVisibleText = false;
  let isRefusal = false;
  let hasHidden = false;

  const flush = () => {
    if (piece === "") return;
    const text = piece;
    piece = "";
    hasVisibleText ||= !isBlank(text);
    pieces.push(text);
  };

  const settle = (settled: Verdict) => {
    verdict = settled;
    if (settled.kind !== "completed") return;
    flush();
    pieces.end();
    if (!hasVisibleText) verdict = { kind: "empty", reason: emptyReason(settled.finishReason) };
  };

  const emptyReason = (reason: FinishReason) =>
    reason === "content_filter" ? "filtered" : hasHidden ? "hidden" : "nothing";

  const finished = (reason: string): Verdict => {
    const finishReason = isRefusal ? "content_filter" : finishOf(reason);
    return finishReason === "error"
      ? { kind: "truncated" }
      : { kind: "completed", finishReason, isCapped: false };
  };

  const onEvent = (data: string, type: string) => {
    if (verdict) return;
    hasEvents = true;
    if (data === "[DONE]" || data.trim() === "[DONE]") {
      return settle(finish === null ? { kind: "truncated" } : finished(finish));
    }
    if (data === "") return;
    const repeated = finish === null && type === "message" ? template.textOf(data) : null;
    if (repeated !== null) return say(repeated, 0);
    const chunk = readChunk(data);
    if (!chunk) return settle({ kind: "malformed", reason: "an event that is not of this protocol" });
    if (chunk.error !== null || type === "error") return settle({ kind: "error", error: chunk.error });
    if (chunk.usage) usage = chunk.usage;
    if (finish !== null) return;
    template.learn(data, chunk);
    take(chunk);
  };

  const take = (chunk: Chunk) => {
    isRefusal ||= chunk.isRefusal;
    hasHidden ||= chunk.hiddenLength > 0;
    finish = chunk.finish;
    say(chunk.text, chunk.hiddenLength);
  };

  const say = (text: string, hiddenLength: number) => {
    piece += text;
    const added = text.length + hiddenLength;
    if (added > 0) progress++;
    length += added;
    if (length > options.replyCharactersMax) {
      settle({ kind: "completed", finishReason: "length", isCapped: true });
    }
  };

  const events = createEventReader({ onEvent });

  return {
    push(chunk) {
      if (verdict) return verdict;
      try {
        events.push(chunk);
      } catch (error) {
        if (!(error instanceof EventTooLarge)) throw error;
        settle({ kind: "malformed", reason: error.message });
      }
      flush();
      return verdict;
    },
    end() {
      const isEnough = options.marker === "finish" && finish !== null;
      if (!verdict) settle(isEnough ? finished(finish ?? "") : { kind: "truncated" });
      return verdict ?? { kind: "truncated" };
    },
    usage: () => usage,
    progress: () => progress,
    hasEvents: () => hasEvents,
  };
}
