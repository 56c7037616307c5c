import type { Client, Message } from "@parley-chat/sdk";

const PAGE = 200;
/** A conversation has 10,000 places. */
const PAGES_MAX = 50;

/** The sibling next to a message, before (-1) or after (1) it; null where there is none left. */
export async function neighbour(client: Client, message: Message, step: -1 | 1): Promise<Message | null> {
  const isSibling = (other: Message) =>
    other.parent_id === message.parent_id && other.id !== message.id && other.deleted_at === undefined;
  let cursor: string | null = message.id;
  for (let page = 0; page < PAGES_MAX && cursor !== null; page++) {
    const got: Awaited<ReturnType<Client["messages"]["list"]>> = await client.messages.list({
      conversation_id: message.conversation_id,
      branch: "all",
      limit: PAGE,
      ...(step < 0 ? { before: cursor } : { after: cursor }),
    });
    const found = step < 0 ? got.items.findLast(isSibling) : got.items.find(isSibling);
    if (found) return found;
    cursor = step < 0 ? got.before_cursor : got.after_cursor;
  }
  return null;
}
