import { createHash, randomUUID } from "node:crypto";
import type {
  Accepted,
  Claim,
  MessageStore,
  NewConversation,
  NewSend,
  OpenTurn,
  Outcome,
} from "../message-store.ts";

export const USER = "00000000-0000-7000-8000-000000000001";
export const STRANGER = "00000000-0000-7000-8000-000000000002";
export const CHARACTER = "00000000-0000-7000-8000-00000000000c";
/** When the tests play; each call that stamps may give its own. */
export const NOON = Date.UTC(2026, 0, 1, 12);

export const hashOf = (text: string) => createHash("sha256").update(text).digest("hex");

export const newConversation = (more: Partial<NewConversation> = {}): NewConversation => ({
  id: randomUUID(),
  userId: USER,
  characterId: CHARACTER,
  title: "A talk",
  settings: {},
  metadata: {},
  tags: [],
  greeting: null,
  at: NOON,
  ...more,
});

export const greeting = (content = "Hello there.") => ({
  id: randomUUID(),
  content,
  contentHash: hashOf(content),
  tokenCount: 3,
});

export async function makeConversation(store: MessageStore, more: Partial<NewConversation> = {}) {
  const made = await store.createConversation(newConversation(more));
  return made.conversation.id;
}

export type SendChanges = Partial<Omit<NewSend, "message">> & { message?: Partial<NewSend["message"]> };

/** A note (no turn) that says `content`. */
export function note(conversationId: string, content = "Hi", changes: SendChanges = {}): NewSend {
  const { message, ...more } = changes;
  return {
    conversationId,
    userId: USER,
    turn: null,
    claim: null,
    at: NOON,
    placesMax: 10_000,
    openTurnsMax: 33,
    ...more,
    message: {
      id: randomUUID(),
      content,
      contentHash: hashOf(content),
      tokenCount: Math.ceil(content.length / 4),
      metadata: {},
      clientMessageId: null,
      requestKey: null,
      ...message,
    },
  };
}

export const newTurn = () => ({
  id: randomUUID(),
  replyId: randomUUID(),
  characterId: CHARACTER,
  characterVersion: 1,
});

/** A message that asks for a reply. */
export const send = (conversationId: string, content = "Hi", changes: SendChanges = {}): NewSend =>
  note(conversationId, content, { turn: newTurn(), ...changes });

export const regeneration = (messageId: string, requestKey: string | null = null) => ({
  userId: USER,
  messageId,
  turn: newTurn(),
  requestKey,
  at: NOON,
  placesMax: 10_000,
  openTurnsMax: 33,
});

/** Stores a send that must be taken, with its turn. */
export async function sent(store: MessageStore, wish: NewSend) {
  const accepted = await store.accept(wish);
  if (accepted.kind !== "accepted" || !accepted.reply || !accepted.turn) {
    throw new Error(`the send was not taken: ${accepted.kind}`);
  }
  return accepted as Accepted & { claim: Claim | null } & Required<{
      reply: NonNullable<Accepted["reply"]>;
      turn: NonNullable<Accepted["turn"]>;
    }>;
}

export const claimOf = (turnId: string, more: Partial<Parameters<MessageStore["claim"]>[0]> = {}) => ({
  turnId,
  owner: "this process",
  isSoleProcess: true,
  countsAsAttempt: true,
  characterVersion: null,
  at: NOON,
  leaseUntil: NOON + 6_000,
  ...more,
});

export const outcome = (content = "A reply.", more: Partial<Outcome> = {}): Outcome => ({
  status: "completed",
  replyStatus: "complete",
  content,
  contentHash: hashOf(content),
  tokenCount: Math.ceil(content.length / 4),
  finishReason: "stop",
  usage: null,
  problem: null,
  attempts: [],
  promptHash: null,
  at: NOON + 1_000,
  ...more,
});

/** All turns that have not ended. */
export async function openTurns(store: MessageStore, limit = 200) {
  const all: OpenTurn[] = [];
  for (;;) {
    const page = await store.openTurns({ after: all.at(-1) ?? null, limit });
    all.push(...page);
    if (page.length < limit) return all;
  }
}

/** Claims a turn and ends it. */
export async function answer(store: MessageStore, turnId: string, content = "A reply.") {
  const claim = (await store.claim(claimOf(turnId))) as Claim;
  return store.complete(turnId, claim.epoch, outcome(content));
}

/** Everything of a conversation, by seq. */
export async function everything(store: MessageStore, conversationId: string) {
  const items = [];
  for (let afterSeq = 0; ; ) {
    const page = await store.page({ conversationId, branch: "all", beforeSeq: null, afterSeq, limit: 200 });
    items.push(...page.items);
    if (!page.hasAfter) return items;
    afterSeq = page.items.at(-1)?.seq as number;
  }
}

export const range = (count: number) => Array.from({ length: count }, (_, n) => n);
