import type { Client, Message } from "@parley-chat/sdk";
import type { Server } from "../rig/server.ts";
import type { RegenerateCall, RemoveCall, SendCall, StopCall } from "./history.ts";
import { insist, listen, looks, now, type Recorder, read, type World } from "./load.ts";
import { between, randomText } from "./random.ts";

type Sending = Pick<SendCall, "conversationId" | "clientMessageId" | "content" | "parentId"> & {
  isNote?: boolean;
};

/** How often a client does what, beside sending: chances from 0 to 1. */
export interface Mix {
  /** Of a message: it answers none, it replaces an earlier one, it repeats what the other client sends. */
  note: number;
  edit: number;
  repeat: number;
  /** After a message. */
  stop: number;
  awaitEnd: number;
  read: number;
  regenerate: number;
  removeMessage: number;
  removeConversation: number;
  /** Of a connection: it is cut after some bytes, it reads some bytes and pauses. */
  cut: number;
  pause: number;
}

const PLAIN: Mix = {
  note: 0,
  edit: 0,
  repeat: 0,
  stop: 0.1,
  awaitEnd: 0.4,
  read: 0.3,
  regenerate: 0,
  removeMessage: 0,
  removeConversation: 0,
  cut: 0,
  pause: 0,
};

/** What all clients of a run know. */
export interface Common {
  /** Where they talk now; one that is full or gone is replaced. */
  conversationIds: string[];
  /** All there ever were. */
  allIds: string[];
  characterId: string;
  /** May change while they run. */
  mix: Mix;
  /** What was begun lately, for another client to send too. */
  lately: Sending[];
  /** At most one stop is under way, so that it is known whose wish a kill met. */
  isStopping: boolean;
}

export const commonOf = (conversationIds: readonly string[], more: Partial<Common> = {}): Common => ({
  conversationIds: [...conversationIds],
  allIds: [...conversationIds],
  characterId: "",
  mix: PLAIN,
  lately: [],
  isStopping: false,
  ...more,
});

interface ClientUses {
  name: string;
  common: Common;
  random: () => number;
  isOver(): boolean;
}

/** Beyond this, reading all of a conversation costs too much. */
const PLACES_MAX = 120;
const LATELY_MAX = 3;

/** One client: sends with retries until it is answered, listens, reads, and does what its mix says. */
export async function runClient(world: World, recorder: Recorder, uses: ClientUses): Promise<void> {
  const { history } = recorder;
  const { name, common, random, isOver } = uses;
  const chance = (of: keyof Mix) => random() < common.mix[of];
  const some = <T>(all: readonly T[]): T | undefined => all[between(random, 0, all.length - 1)];
  const listening: Promise<void>[] = [];
  const how = () => ({
    ...(chance("cut") && { cutAfterBytes: between(random, 1, 4_000) }),
    ...(chance("pause") && {
      pause: { afterBytes: between(random, 1, 2_000), until: () => looks(between(random, 1, 20)) },
    }),
  });
  const hear = (turnId: string) => {
    const heard = listen(world, recorder, turnId, { isOver, how });
    listening.push(heard);
    return heard;
  };
  let known: Message[] = [];
  for (let n = 1; !isOver(); n++) {
    const repeated = chance("repeat") ? some(common.lately) : undefined;
    const sending = repeated ?? newSending(`${name}${n}`);
    const ok = await send(world, recorder, sending);
    if (ok) {
      const { conversationId } = sending;
      if (ok.seq > PLACES_MAX) await replace(world, recorder, uses, conversationId);
      if (ok.turnId !== null) {
        const heard = hear(ok.turnId);
        if (chance("stop")) await stop(world, recorder, common, ok.turnId);
        if (chance("awaitEnd")) await heard;
      }
      if (chance("read")) known = (await read(world, history, name, conversationId)) ?? known;
    } else if (common.mix.removeConversation > 0)
      await replace(world, recorder, uses, sending.conversationId);
    await change();
  }
  await Promise.all(listening);

  function newSending(id: string): Sending {
    const conversationId = some(common.conversationIds) as string;
    const content = `${randomText(random, between(random, 1, 30))} #${id}#`;
    const sending: Sending = { conversationId, clientMessageId: id, content };
    if (chance("note")) sending.isNote = true;
    const edited = chance("edit") ? some(known.filter(({ role }) => role === "user")) : undefined;
    if (edited) {
      sending.conversationId = edited.conversation_id;
      sending.parentId = edited.parent_id;
    }
    common.lately.push(sending);
    if (common.lately.length > LATELY_MAX) common.lately.shift();
    return sending;
  }

  async function change(): Promise<void> {
    const reply = some(
      known.filter((message) => message.role === "assistant" && message.status !== "pending"),
    );
    if (reply && chance("regenerate")) {
      const key = `${name} ${now()}`;
      const made = await regenerate(world, recorder, reply, key);
      if (made) void hear(made.turnId);
      if (made && chance("repeat")) await regenerate(world, recorder, reply, key);
    }
    const message = some(known);
    if (message && chance("removeMessage")) {
      const { conversation_id, id } = message;
      await remove(world, recorder, conversation_id, id);
    }
    const conversationId = some(common.conversationIds);
    if (conversationId !== undefined && chance("removeConversation")) {
      await replace(world, recorder, uses, conversationId);
      await remove(world, recorder, conversationId, null);
    }
  }
}

/** What of a call is known before its answer. */
const asked = () => ({ invokedAt: now(), settledAt: Number.POSITIVE_INFINITY });

/** The answer, or null where it is refused: no room just now, or the conversation is gone. */
async function send(world: World, { history }: Recorder, sending: Sending): Promise<SendCall["ok"]> {
  const { conversationId, clientMessageId, content, parentId, isNote } = sending;
  const where = { conversationId, clientMessageId, content, ...(parentId !== undefined && { parentId }) };
  let ok: SendCall["ok"] = null;
  await insist(
    world,
    history,
    (owner) =>
      owner.messages.send({
        conversation_id: conversationId,
        client_message_id: clientMessageId,
        content,
        ...(parentId !== undefined && { parent_id: parentId }),
        ...(isNote && { reply: false }),
      }),
    () => {
      const record: SendCall = { ...where, ...asked(), ok: null };
      history.sends.push(record);
      return {
        settled(answer) {
          record.settledAt = now();
          if (answer && "refused" in answer) record.refused = answer.refused;
          if (!answer || !("ok" in answer)) return;
          const { message, reply, turn } = answer.ok;
          ok = {
            messageId: message.id,
            replyId: reply?.id ?? null,
            turnId: turn?.id ?? null,
            seq: message.seq,
          };
          record.ok = ok;
        },
      };
    },
  );
  return ok;
}

async function regenerate(
  world: World,
  { history }: Recorder,
  reply: Message,
  key: string,
): Promise<RegenerateCall["ok"]> {
  let ok: RegenerateCall["ok"] = null;
  await insist(
    world,
    history,
    (owner) => owner.messages.regenerate({ message_id: reply.id }, { idempotencyKey: key }),
    () => {
      const conversationId = reply.conversation_id;
      const record: RegenerateCall = { conversationId, messageId: reply.id, key, ...asked(), ok: null };
      history.regenerations.push(record);
      return {
        settled(answer) {
          record.settledAt = now();
          if (!answer || !("ok" in answer)) return;
          const { reply: made, turn } = answer.ok;
          ok = { replyId: made.id, turnId: turn.id, seq: made.seq };
          record.ok = ok;
        },
      };
    },
  );
  return ok;
}

/** Deletes a message, or with null the conversation. */
async function remove(
  world: World,
  { history }: Recorder,
  conversationId: string,
  messageId: string | null,
): Promise<void> {
  const call = (owner: Client) =>
    messageId === null
      ? owner.conversations.remove({ conversation_id: conversationId })
      : owner.messages.remove({ message_id: messageId });
  await insist<unknown>(world, history, call, (server) => {
    const record: RemoveCall = { conversationId, messageId, ...asked(), ok: false };
    askedOf.set(record, server);
    history.removals.push(record);
    return {
      settled(answer) {
        record.settledAt = now();
        record.ok = answer !== null && "ok" in answer;
        if (answer && "refused" in answer) record.refused = answer.refused;
      },
    };
  });
}

/** Which server a stop was asked of: what it met there is known from how that one died. */
export const askedOf = new WeakMap<StopCall | RemoveCall, Server>();

/** Once: where no answer comes, the wish is not told again. */
async function stop(world: World, { history }: Recorder, common: Common, turnId: string): Promise<void> {
  if (common.isStopping) return;
  common.isStopping = true;
  const { server } = world;
  const record: StopCall = { turnId, ...asked(), ok: null, storedBy: null };
  askedOf.set(record, server);
  history.stops.push(record);
  try {
    const { status, ended_at } = await server.owner.turns.stop({ turn_id: turnId });
    record.ok = { status, isEnded: ended_at !== undefined };
  } catch (error) {
    const { code, status } = error as { code?: string; status?: number };
    if (typeof status === "number" && status < 500 && code !== undefined) record.refused = code;
  }
  record.settledAt = now();
  common.isStopping = false;
}

/** Goes on in a new conversation in place of one that is full or about to go. */
async function replace(
  world: World,
  { history }: Recorder,
  { name, common }: ClientUses,
  conversationId: string,
): Promise<void> {
  if (!common.conversationIds.includes(conversationId)) return;
  const idempotencyKey = `${name} ${now()}`;
  const answer = await insist(
    world,
    history,
    (owner) => owner.conversations.create({ character_ids: [common.characterId] }, { idempotencyKey }),
    () => ({ settled() {} }),
  );
  if (!("ok" in answer)) throw new Error(`no conversation: ${answer.refused}`);
  common.allIds.push(answer.ok.id);
  // Another client may have done so meanwhile.
  const at = common.conversationIds.indexOf(conversationId);
  if (at >= 0) common.conversationIds[at] = answer.ok.id;
}
