import {
  type Client,
  type Conversation,
  type ConversationEvent,
  closingEvents,
  type Message,
  Problem,
  type TurnEvent,
} from "@parley-chat/sdk";
import { newId } from "../lib/ids.ts";
import type { Kept } from "../lib/kept.ts";
import type { Live } from "../lib/live.ts";
import { sentenceOf } from "../lib/sentence.ts";
import { createStore, type Store } from "../lib/store.ts";
import type { Conversations } from "../stores/conversations.ts";
import { type Branch, emptyBranch, ended, forked, placed, withNewest, withOlder } from "./branch.ts";
import { createOutbox, type Outbox } from "./outbox.ts";
import { afterEvent, type RunningReplies } from "./running.ts";
import { neighbour } from "./siblings.ts";
import { titleFrom } from "./title.ts";

export interface ChatState {
  readonly branch: Branch;
  readonly running: RunningReplies;
  readonly status: "loading" | "ready" | "failed" | "gone";
  readonly error?: unknown;
  /** Why replies failed, by their ids, as far as it was heard. */
  readonly problems: Readonly<Record<string, string>>;
}

/** One conversation on the screen. */
export interface Chat {
  readonly state: Store<ChatState>;
  readonly outbox: Outbox;
  load(): Promise<void>;
  loadOlder(): Promise<void>;
  send(content: string): void;
  /** Sends a changed text in the place of a message of one's own; the old one stays beside it. */
  edit(message: Message, content: string): void;
  stop(): Promise<void>;
  regenerate(message: Message): Promise<void>;
  /** Goes to the sibling before (-1) or after (1); resolves with the message now in that place. */
  choose(message: Message, step: -1 | 1): Promise<Message | null>;
  remove(message: Message): Promise<void>;
  close(): void;
}

const PAGE = 50;
const RETRY_MS_MAX = 15_000;

export function createChat(uses: {
  client: Client;
  live: Live;
  conversations: Conversations;
  kept: Kept;
  conversationId: string;
  /** Does something with the next picture of the screen; several wishes for the same are one. */
  soon(work: () => void): void;
  now(): number;
  /** Nobody gave it a name of its own. */
  isUnnamed(conversation: Conversation): boolean;
  /** A reply is whole. */
  onReply(message: Message): void;
}): Chat {
  const { client, live, conversations, kept, conversationId, soon, now } = uses;
  const id = { conversation_id: conversationId };
  const state = createStore<ChatState>({ branch: emptyBranch, running: {}, status: "loading", problems: {} });
  const change = (next: Partial<ChatState>) => state.set((old) => ({ ...old, ...next }));
  const setBranch = (next: (old: Branch) => Branch) =>
    state.set((old) => ({ ...old, branch: next(old.branch) }));
  let running: RunningReplies = {};
  const showRunning = () => change({ running });
  let isClosed = false;
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  let retryMs = 1_000;

  const outbox = createOutbox({
    kept,
    prefix: `outbox.${conversationId}.`,
    judge: sentenceOf,
    async send({ id: client_message_id, content, parent_id }) {
      const sent = await client.messages.send({
        ...id,
        content,
        client_message_id,
        ...(parent_id !== undefined && { parent_id }),
      });
      put(forked, sent.reply ? [sent.message, sent.reply] : [sent.message]);
      void nameAfter(content);
    },
  });

  /** A conversation without a name is called by the words that it began with. */
  async function nameAfter(content: string) {
    const known = conversations.list.get().items.find((one) => one.id === conversationId);
    if (!known || !uses.isUnnamed(known)) return;
    await conversations.update(conversationId, { title: titleFrom(content) }).catch(() => {});
  }

  /** What could not go out by itself is tried again, ever more seldom, and at once when the network is back. */
  async function flush() {
    clearTimeout(retryTimer);
    await outbox.flush();
    const waits = outbox.items.get().some(({ trouble }) => trouble?.canRetry);
    if (!waits || isClosed) {
      retryMs = 1_000;
      return;
    }
    retryTimer = setTimeout(flush, retryMs);
    retryMs = Math.min(RETRY_MS_MAX, retryMs * 2);
  }

  let reading: Promise<void> | null = null;
  let isStale = false;
  /** Reads the newest page; a wish that comes while it is read is met by another read after it. */
  function reread(): Promise<void> {
    isStale = true;
    reading ??= (async () => {
      while (isStale) {
        isStale = false;
        const page = await client.messages.list({ ...id, limit: PAGE });
        setBranch((old) => withNewest(old, page));
      }
    })().finally(() => {
      reading = null;
    });
    return reading;
  }

  /** Shows messages where they belong; where that cannot be told from here, the server is asked. */
  function put(into: typeof placed, messages: readonly Message[]) {
    let branch: Branch | null = state.get().branch;
    for (const message of messages) branch = branch && into(branch, message);
    if (branch) change({ branch });
    else void reread().catch(() => {});
  }

  /** Before the first page is whole it may lack what happens now, so it is read once more. */
  function putNow(messages: readonly Message[]) {
    if (state.get().status === "ready") put(placed, messages);
    else if (state.get().status === "loading") void reread().catch(() => {});
  }

  function hear(event: ConversationEvent) {
    switch (event.type) {
      case "resumed":
        void load();
        return;
      case "message.created":
        putNow([event.message]);
        return;
      case "message.deleted":
        if (state.get().status !== "ready") return putNow([event.message]);
        setBranch((old) => placed(old, event.message) ?? old);
        return;
      default:
        apply(event);
    }
  }

  function apply(event: TurnEvent) {
    running = afterEvent(running, event);
    // A fast model says more than a screen can show.
    if (event.type === "reply.delta") soon(showRunning);
    else showRunning();
    if (event.type === "turn.started") putNow([event.message, event.reply]);
    if (event.type === "reply.end") {
      if (state.get().status !== "ready") putNow([event.message]);
      setBranch((old) => placed(old, event.message) ?? old);
      if (event.message.status === "complete") uses.onReply(event.message);
    }
    if (!closingEvents.has(event.type)) return;
    const { turn } = event as Extract<TurnEvent, { type: "turn.failed" }>;
    if (event.type === "turn.failed") {
      state.set((old) => ({ ...old, problems: { ...old.problems, [turn.reply_id]: event.problem.detail } }));
    }
    const how = event.type === "turn.stopped" ? "stopped" : "error";
    if (event.type !== "turn.completed") {
      setBranch((old) => ended(old, turn.reply_id, { status: "failed", finish_reason: how }));
    }
  }

  async function load() {
    try {
      await Promise.all([conversations.refresh(conversationId), reread()]);
      change({ status: "ready" });
      void flush();
    } catch (error) {
      const isGone = error instanceof Problem && error.code === "not_found";
      // A page that is read already stays: what is new comes when the server is back.
      if (isGone || state.get().status !== "ready") change({ status: isGone ? "gone" : "failed", error });
    }
  }

  const stopFollowing = live.follow(conversationId, hear);
  const onOnline = () => void flush();
  globalThis.addEventListener?.("online", onOnline);

  return {
    state,
    outbox,
    load,
    async loadOlder() {
      const { before } = state.get().branch;
      if (before === null) return;
      const page = await client.messages.list({ ...id, before, limit: PAGE });
      setBranch((old) => withOlder(old, page));
    },
    send(content) {
      outbox.add({ id: newId(), at: now(), content });
      void flush();
    },
    edit(message, content) {
      outbox.add({ id: newId(), at: now(), content, parent_id: message.parent_id });
      void flush();
    },
    async stop() {
      const turns = Object.keys(running);
      const { active_turn_id } = await conversations.refresh(conversationId);
      const open = new Set([...turns, ...(active_turn_id ? [active_turn_id] : [])]);
      await Promise.all([...open].map((turn_id) => client.turns.stop({ turn_id })));
      await reread();
    },
    async regenerate(message) {
      const { reply } = await client.messages.regenerate(
        // What is deleted has no other reply; the message that it answered has.
        { message_id: (message.deleted_at && message.parent_id) || message.id },
        { idempotencyKey: newId() },
      );
      put(forked, [reply]);
    },
    async choose(message, step) {
      const found = await neighbour(client, message, step);
      if (!found) return null;
      conversations.heard(await client.conversations.update({ ...id, head_id: found.id }));
      await reread();
      return state.get().branch.messages.find(({ parent_id }) => parent_id === message.parent_id) ?? null;
    },
    async remove(message) {
      await client.messages.remove({ message_id: message.id });
      await reread();
    },
    close() {
      isClosed = true;
      clearTimeout(retryTimer);
      globalThis.removeEventListener?.("online", onOnline);
      stopFollowing();
    },
  };
}
