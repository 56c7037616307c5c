import type { Client, Conversation, Message, Turn } from "@parley-chat/sdk";
import { OWNER_KEY, type Server } from "../rig/server.ts";
import { LIMIT_MS, until } from "./until.ts";

/** A conversation without a greeting, with a character of its own. */
export async function newConversation(client: Client): Promise<Conversation> {
  const character = await client.characters.create({ name: "Echo", description: "Echo repeats." });
  return client.conversations.create({ character_ids: [character.id] });
}

export interface Sent {
  message: Message;
  reply: Message;
  turn: Turn;
}

export interface SendAnswer {
  status: number;
  isReplayed: boolean;
  headers: Headers;
  body: Sent;
}

/** A send by hand, for its status and headers; rejects where the connection breaks. */
export async function post(
  server: { url: string },
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<SendAnswer> {
  const response = await fetch(new URL(path, server.url), {
    method: "POST",
    headers: { authorization: `Bearer ${OWNER_KEY}`, "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  return {
    status: response.status,
    isReplayed: response.headers.get("idempotent-replayed") === "true",
    headers: response.headers,
    body: (await response.json()) as Sent,
  };
}

export const messagesPath = (conversationId: string) => `/api/v2/conversations/${conversationId}/messages`;

/** Everything in a conversation, by seq. */
export async function allMessages(client: Client, conversationId: string): Promise<Message[]> {
  const all: Message[] = [];
  let after: string | null = null;
  const first = await client.messages.list({ conversation_id: conversationId, branch: "all", limit: 200 });
  let before: string | null = first.before_cursor;
  all.push(...first.items);
  while (before !== null) {
    const page: Awaited<ReturnType<Client["messages"]["list"]>> = await client.messages.list({
      conversation_id: conversationId,
      branch: "all",
      limit: 200,
      before,
    });
    all.unshift(...page.items);
    before = page.before_cursor;
  }
  after = first.after_cursor;
  if (after !== null) throw new Error("the newest page has an after_cursor");
  return all;
}

/** Waits for the outcome of a turn. */
export const outcome = (client: Client, turnId: string, limitMs = LIMIT_MS): Promise<Turn> =>
  until(
    `an outcome of turn ${turnId}`,
    async () => {
      const turn = await client.turns.get({ turn_id: turnId });
      return turn.ended_at !== undefined && turn;
    },
    limitMs,
  );

/** A problem's code and status, of a call that must be refused. */
export async function refusal(
  call: Promise<unknown>,
): Promise<{ code: string; status: number; detail: string }> {
  try {
    await call;
  } catch (error) {
    const { code, status, detail } = error as { code: string; status: number; detail: string };
    if (typeof status === "number") return { code, status, detail };
    throw error;
  }
  throw new Error("the call was not refused");
}

export interface Ready {
  status: number;
  checks: Record<string, string>;
}

export async function ready(server: Pick<Server, "url">): Promise<Ready> {
  const response = await fetch(`${server.url}/ready`);
  const body = (await response.json()) as { checks: Record<string, string> };
  return { status: response.status, checks: body.checks };
}
