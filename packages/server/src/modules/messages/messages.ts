import { isDeepStrictEqual } from "node:util";
import type { Api, Input, messages, SignedInContext } from "@parley-chat/sdk/contract";
import { MESSAGE_CHARACTERS_MAX, METADATA_BYTES_MAX } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { Clock } from "../../kit/clock.ts";
import { failpoint } from "../../kit/failpoint.ts";
import { derivedId, isId, newId } from "../../kit/ids.ts";
import { checkJsonSize } from "../../kit/json-size.ts";
import { createKeyedQueue } from "../../kit/keyed-queue.ts";
import type { Limits } from "../../kit/limits.ts";
import { codePointCount, hasNulOrLoneSurrogate, isBlank, sha256Hex } from "../../kit/text.ts";
import type {
  Accepted,
  Claim,
  MessageStore,
  NewSend,
  SendTarget,
} from "../../ports/message-store/message-store.ts";
import { readPlace, writePlace } from "./place-cursor.ts";

export interface MessageUses {
  store: MessageStore;
  clock: Clock;
  /** The character as it is now, if this user may see it; null or deleted: no more sends. */
  character(characterId: string, userId: string): Promise<{ version: number; isDeleted: boolean } | null>;
  /** Throws `message_exceeds_context` where the content cannot fit beside the character's own text. */
  checkFits(target: SendTarget, userId: string, contentTokens: number): Promise<void>;
  estimateTokens(text: string): number;
  limit: Limits;
  /** With which claim the next turn of a conversation may be stored; null where it must wait. */
  claimFor(conversationId: string): NewSend["claim"];
  /** A turn was stored and waits to be run, or is claimed already. */
  turnAccepted(
    turn: { turnId: string; conversationId: string; characterId: string },
    claim: Claim | null,
  ): void;
  /** Something here was made or deleted; told after it was stored. A regeneration makes no message of its own. */
  onChange(
    what: "message.created" | "message.deleted" | "regenerated",
    message: { id: string; conversation_id: string },
    userId: string,
  ): void;
  placesMax: number;
  openTurnsMax: number;
}

export type Messages = Api<typeof messages>;
type Send = Input<typeof messages.send>;

/** The way of a message in: recognise a repeat, check, count, store, hand its turn on. */
export function createMessages(uses: MessageUses): Messages {
  const { store, clock } = uses;

  const requireTarget = async (conversationId: string, context: SignedInContext): Promise<SendTarget> => {
    const target = await store.sendTarget(conversationId, context.principal.userId);
    if (!target) throw new Problem("not_found", "There is no such conversation.");
    return target;
  };

  const liveCharacter = async (characterId: string, userId: string) => {
    const character = await uses.character(characterId, userId);
    if (!character || character.isDeleted) {
      throw new Problem(
        "character_deleted",
        "The character was deleted, or its owner made it private; the conversation can only be read.",
      );
    }
    return character;
  };

  const showLimit = async (context: SignedInContext) =>
    context.showLimit(await uses.limit.look(limitKey(context)));

  /** The answer of a limited call shows how matters stand, also where it is refused. */
  const limited = async <T>(context: SignedInContext, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      await showLimit(context);
      throw error;
    }
  };

  /** Counts a call against its user's limits, unless it is refused or turns out to be a repeat. */
  const counted = async <T extends { kind: string }>(
    context: SignedInContext,
    work: () => Promise<T>,
  ): Promise<T> => {
    const taken = await uses.limit.take(limitKey(context));
    context.showLimit(taken.state);
    if (!taken.ok) throw taken.problem;
    let isCounted = false;
    try {
      const result = await work();
      isCounted = result.kind === "accepted";
      return result;
    } finally {
      if (!isCounted) await taken.refund();
    }
  };

  const handOn = (
    accepted: { turn: { id: string; status: string } | null },
    target: SendTarget,
    claim: Claim | null = null,
  ) => {
    if (accepted.turn?.status !== "queued") return;
    const { conversationId, characterId } = target;
    uses.turnAccepted({ turnId: accepted.turn.id, conversationId, characterId }, claim);
  };

  const markReplayed = async (context: SignedInContext) => {
    context.markReplayed();
    await showLimit(context);
  };

  const replay = async (accepted: Accepted, input: Send, target: SendTarget, context: SignedInContext) => {
    checkSame(accepted, input, context);
    await markReplayed(context);
    handOn(accepted, target);
    return sent(accepted);
  };

  const oneAtATime = createKeyedQueue();

  /** Calls with one client id or key run one after another: the later ones are repeats of the first. */
  async function send(input: Send, context: SignedInContext) {
    const target = await requireTarget(input.conversation_id, context);
    const requestKey = requestKeyOf(context, `send:${target.conversationId}`);
    const key = input.client_message_id ?? requestKey;
    const work = () => sendOnce(input, target, requestKey, context);
    return key === null ? work() : oneAtATime(`${target.conversationId} ${key}`, work);
  }

  async function sendOnce(
    input: Send,
    target: SendTarget,
    requestKey: string | null,
    context: SignedInContext,
  ) {
    const { userId } = context.principal;
    const clientMessageId = input.client_message_id ?? null;
    if (clientMessageId !== null || requestKey !== null) {
      const known = await store.findAccepted(target.conversationId, { clientMessageId, requestKey });
      if (known) return replay(known, input, target, context);
    }
    const { character, tokenCount } = await checkSend(input, target, userId);
    failpoint("k01");
    const accepted = await counted(context, () => {
      const id = newId();
      // R1: the turn's id follows from the client's, so that a repeat at any point repeats the same steps.
      const turnId = () =>
        derivedId("turn", target.conversationId, ...originOf(clientMessageId, requestKey, id));
      return store.accept({
        conversationId: target.conversationId,
        userId,
        message: {
          id,
          content: input.content,
          contentHash: sha256Hex(input.content),
          tokenCount,
          metadata: input.metadata ?? {},
          clientMessageId,
          requestKey,
        },
        ...(input.parent_id !== undefined && { parentId: input.parent_id }),
        turn: input.reply === false ? null : newTurn(turnId(), target, character),
        claim: input.reply === false ? null : uses.claimFor(target.conversationId),
        at: clock.now(),
        placesMax: uses.placesMax,
        openTurnsMax: uses.openTurnsMax,
      });
    });
    failpoint("k04");
    if (accepted.kind === "existing") return replay(accepted, input, target, context);
    if (accepted.kind !== "accepted") throw refusal(accepted.kind, uses);
    uses.onChange("message.created", accepted.message, userId);
    handOn(accepted, target, accepted.claim);
    return sent(accepted);
  }

  /** Everything that can be said of a send before it is stored. */
  async function checkSend(input: Send, target: SendTarget, userId: string) {
    checkContent(input.content);
    checkJsonSize("metadata", input.metadata, METADATA_BYTES_MAX);
    if (typeof input.parent_id === "string") await checkParent(input.parent_id, target, userId);
    const character = await liveCharacter(target.characterId, userId);
    const tokenCount = uses.estimateTokens(input.content);
    await uses.checkFits(target, userId, tokenCount);
    return { character, tokenCount };
  }

  /** Before the call is counted; `accept` looks again. */
  async function checkParent(id: string, target: SendTarget, userId: string): Promise<void> {
    const parent = isId(id) ? await store.message(id, userId) : null;
    if (parent?.conversation_id !== target.conversationId) throw noParent();
  }

  async function regenerate(messageId: string, context: SignedInContext) {
    const message = await requireMessage(messageId, context);
    const target = await requireTarget(message.conversation_id, context);
    const requestKey = requestKeyOf(context, `regenerate:${messageId}`);
    const work = () => regenerateOnce(messageId, target, requestKey, context);
    return requestKey === null ? work() : oneAtATime(`${target.conversationId} ${requestKey}`, work);
  }

  async function regenerateOnce(
    messageId: string,
    target: SendTarget,
    requestKey: string | null,
    context: SignedInContext,
  ) {
    const { userId } = context.principal;
    const known = requestKey
      ? await store.findAccepted(target.conversationId, { clientMessageId: null, requestKey })
      : null;
    if (known?.reply && known.turn) {
      await markReplayed(context);
      handOn(known, target);
      return { reply: known.reply, turn: known.turn };
    }
    const character = await liveCharacter(target.characterId, userId);
    const turnId = derivedId("turn", target.conversationId, ...originOf(null, requestKey, newId()));
    const accepted = await counted(context, () =>
      store.acceptRegeneration({
        userId,
        messageId,
        turn: newTurn(turnId, target, character),
        requestKey,
        at: clock.now(),
        placesMax: uses.placesMax,
        openTurnsMax: uses.openTurnsMax,
      }),
    );
    if (accepted.kind !== "accepted" && accepted.kind !== "existing") throw refusal(accepted.kind, uses);
    if (accepted.kind === "existing") await markReplayed(context);
    else uses.onChange("regenerated", accepted.reply, userId);
    handOn(accepted, target);
    return { reply: accepted.reply, turn: accepted.turn };
  }

  const requireMessage = async (id: string, context: SignedInContext) => {
    const message = await store.message(id, context.principal.userId);
    if (!message) throw noMessage();
    return message;
  };

  /** A bound of a page: a cursor, or the id of a message in this conversation. */
  const place = async (
    path: "before" | "after",
    text: string | undefined,
    conversationId: string,
    userId: string,
  ) => {
    if (text === undefined) return null;
    const seq = readPlace(text);
    if (seq !== null) return seq;
    const message = isId(text) ? await store.message(text, userId) : null;
    if (message?.conversation_id === conversationId) return message.seq;
    throw new Problem(
      "invalid_cursor",
      `${path}: give a cursor of this list, or the id of a message in it.`,
      {
        errors: [{ path, message: "is neither a cursor nor a message of this conversation" }],
      },
    );
  };

  return {
    send: (input, context) => limited(context, () => send(input, context)),

    async list({ conversation_id, before, after, limit, branch }, context) {
      const { userId } = context.principal;
      await requireTarget(conversation_id, context);
      if (before !== undefined && after !== undefined)
        throw Problem.invalid("after", "cannot stand beside before");
      const beforeSeq = await place("before", before, conversation_id, userId);
      const afterSeq = await place("after", after, conversation_id, userId);
      const page = await store.page({
        conversationId: conversation_id,
        branch: branch ?? "head",
        beforeSeq,
        afterSeq,
        limit: limit ?? 50,
      });
      // An empty page lies between its bound and what follows beyond it.
      const first = page.items[0]?.seq ?? (afterSeq ?? 0) + 1;
      const last = page.items.at(-1)?.seq ?? (beforeSeq ?? 1) - 1;
      return {
        items: page.items,
        before_cursor: page.hasBefore ? writePlace(first) : null,
        after_cursor: page.hasAfter ? writePlace(last) : null,
      };
    },

    get: ({ message_id }, context) => requireMessage(message_id, context),

    async remove({ message_id }, context) {
      const { userId } = context.principal;
      const result = await store.deleteMessage(message_id, userId, clock.now());
      if (result === "not_found") throw noMessage();
      if (result === "in_flight") throw inFlight();
      const tombstone = await store.message(message_id, userId);
      if (tombstone) uses.onChange("message.deleted", tombstone, userId);
    },

    regenerate: ({ message_id }, context) => limited(context, () => regenerate(message_id, context)),
  };
}

const limitKey = (context: SignedInContext) => `messages:${context.principal.userId}`;

const newTurn = (id: string, { characterId }: SendTarget, character: { version: number }) => ({
  id,
  replyId: derivedId("reply", id),
  characterId,
  characterVersion: character.version,
});

const noMessage = () => new Problem("not_found", "There is no such message.");
const noParent = () => Problem.invalid("parent_id", "is not a message of this conversation");
const inFlight = () => new Problem("in_flight", "Its turn has not ended. Stop the turn first.");

const sent = ({ message, reply, turn }: Accepted) =>
  reply && turn ? { message, reply, turn } : { message, reply: null, turn: null };

/** What a turn's id is made from, and of which kind it is: a client may choose an id that equals a key's hash. */
function originOf(clientMessageId: string | null, requestKey: string | null, id: string): [string, string] {
  if (clientMessageId !== null) return ["client", clientMessageId];
  return requestKey !== null ? ["key", requestKey] : ["call", id];
}

/** The Idempotency-Key as it is stored with the row: hashed, and only for this caller and call. */
const requestKeyOf = (context: SignedInContext, call: string): string | null =>
  context.idempotencyKey === undefined
    ? null
    : sha256Hex(JSON.stringify([context.principal.userId, call, context.idempotencyKey]));

/** A repeat must say the same; parent and reply only where it names them. */
function checkSame(accepted: Accepted, input: Send, context: SignedInContext): void {
  const isSame =
    accepted.contentHash === sha256Hex(input.content) &&
    (input.parent_id === undefined || input.parent_id === accepted.message.parent_id) &&
    (input.reply === undefined || input.reply === (accepted.turn !== null)) &&
    (input.client_message_id === undefined || input.client_message_id === accepted.message.client_message_id);
  // Under a key the whole body must be the same; a deleted message has lost its metadata.
  const isSameMetadata =
    input.client_message_id !== undefined ||
    accepted.message.deleted_at !== undefined ||
    isDeepStrictEqual(accepted.message.metadata, asStored(input.metadata ?? {}));
  if (isSame && isSameMetadata) return;
  const byClientId =
    input.client_message_id !== undefined && accepted.message.client_message_id === input.client_message_id;
  if (byClientId || context.idempotencyKey === undefined) {
    throw new Problem(
      "client_message_id_reused",
      "Another message was sent with this client_message_id. Use a new one for each message.",
    );
  }
  throw new Problem("idempotency_key_reused");
}

/** -0 is stored as 0, and the like. */
const asStored = (json: unknown): unknown => JSON.parse(JSON.stringify(json));

function checkContent(content: string): void {
  const count = codePointCount(content);
  if (count > MESSAGE_CHARACTERS_MAX) {
    throw new Problem(
      "message_too_long",
      `A message may have ${MESSAGE_CHARACTERS_MAX} characters; this one has ${count}.`,
      { errors: [{ path: "content", message: `may have at most ${MESSAGE_CHARACTERS_MAX} characters` }] },
    );
  }
  if (isBlank(content)) throw Problem.invalid("content", "must not be blank");
  if (hasNulOrLoneSurrogate(content)) {
    throw Problem.invalid("content", "must not hold NUL or half of a surrogate pair");
  }
}

type Refused = "full" | "busy" | "not_found" | "no_parent" | "not_regenerable" | "in_flight";

function refusal(kind: Refused, { placesMax, openTurnsMax }: MessageUses): Problem {
  switch (kind) {
    case "full":
      return new Problem("conversation_full", `A conversation holds ${placesMax} messages. Start a new one.`);
    case "busy":
      return new Problem(
        "conversation_busy",
        `${openTurnsMax} replies are under way or waiting here. Wait for one to end.`,
        { retryAfterS: 1 },
      );
    case "no_parent":
      return noParent();
    case "not_regenerable":
      return new Problem("not_regenerable", "A greeting or a deleted message has no other reply.");
    case "in_flight":
      return inFlight();
    case "not_found":
      return noMessage();
  }
}
