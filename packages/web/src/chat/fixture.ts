import type { Message } from "@parley-chat/sdk";

/** A message of a chain: `seq` 1 is its root, each next one answers the one before. */
export function messageAt(seq: number, more: Partial<Message> = {}): Message {
  return {
    id: `m${seq}`,
    conversation_id: "c",
    seq,
    parent_id: seq === 1 ? null : `m${seq - 1}`,
    role: seq % 2 === 0 ? "user" : "assistant",
    content: `text ${seq}`,
    status: "complete",
    token_count: 1,
    siblings: { index: 0, count: 1 },
    metadata: {},
    created_at: "2026-01-01T00:00:00.000Z",
    ...more,
  };
}

export const chain = (from: number, to: number): Message[] =>
  Array.from({ length: to - from + 1 }, (_, index) => messageAt(from + index));
