import type { Message, MessagePage } from "@parley-chat/sdk";

/** The branch in use, oldest first, as far as it was read; `before` leads to what is older. */
export interface Branch {
  readonly messages: readonly Message[];
  readonly before: string | null;
}

export const emptyBranch: Branch = { messages: [], before: null };

/** A reply that has ended stays so, whatever was on its way before that. */
const newer = (old: Message | undefined, message: Message): Message =>
  old && old.id === message.id && old.status !== "pending" && message.status === "pending" ? old : message;

/** The newest page, joined to what was read before it where the two meet. */
export function withNewest(branch: Branch, page: MessagePage): Branch {
  const old = new Map(branch.messages.map((message) => [message.id, message]));
  const items = page.items.map((message) => newer(old.get(message.id), message));
  const first = page.items[0];
  const joint = first?.parent_id ? branch.messages.findIndex(({ id }) => id === first.parent_id) : -1;
  if (joint < 0) return { messages: items, before: page.before_cursor };
  return { messages: [...branch.messages.slice(0, joint + 1), ...items], before: branch.before };
}

export function withOlder(branch: Branch, page: MessagePage): Branch {
  const known = new Set(branch.messages.map(({ id }) => id));
  const older = page.items.filter(({ id }) => !known.has(id));
  return { messages: [...older, ...branch.messages], before: page.before_cursor };
}

/**
 * The branch with a message that someone sent: in its place where it is known, at the end where it goes on
 * from there. Null where it belongs to another branch: then the server says which one is in use.
 */
export function placed(branch: Branch, message: Message): Branch | null {
  const { messages } = branch;
  const at = messages.findIndex(({ id }) => id === message.id);
  if (at >= 0) return { ...branch, messages: messages.with(at, newer(messages[at], message)) };
  const end = messages.at(-1)?.id ?? null;
  return message.parent_id === end ? { ...branch, messages: [...messages, message] } : null;
}

/**
 * The branch after a message was sent, also as a sibling of another: what followed that one is out of
 * sight. Null where its parent was not read.
 */
export function forked(branch: Branch, message: Message): Branch | null {
  const { messages } = branch;
  const known = placed(branch, message);
  if (known) return known;
  const parent = messages.findIndex(({ id }) => id === message.parent_id);
  if (parent < 0 && (message.parent_id !== null || branch.before !== null)) return null;
  return { ...branch, messages: [...messages.slice(0, parent + 1), message] };
}

/** A message whose turn ended without a text of its own. */
export function ended(branch: Branch, replyId: string, how: Partial<Message>): Branch {
  const messages = branch.messages.map((message) =>
    message.id === replyId && message.status === "pending" ? { ...message, ...how } : message,
  );
  return { ...branch, messages };
}
