import { type Client, type Conversation, type Message, Problem } from "@parley-chat/sdk";
import { newId } from "../../kit/ids.ts";
import type { Partner, Screen } from "./screen.ts";

const HISTORY_SHOWN = 20;
const TRIES_MAX = 10;
const RETRY_MS_MAX = 3_000;

/** One conversation as it is held here. */
export interface Talk {
  readonly conversation: Conversation;
  readonly partner: Partner;
  /** What the person said lately, newest first. */
  readonly said: string[];
  /** Each resolves with whether a whole reply came. */
  say(text: string): Promise<boolean>;
  /** Says something else in place of what was said last. */
  edit(text: string): Promise<boolean>;
  regenerate(): Promise<boolean>;
  /** Shows the reply before or behind the one there is, of those that regenerating made. */
  turnTo(step: -1 | 1): Promise<void>;
  showHistory(limit: number): Promise<void>;
  /** Shows a reply that was running when the conversation was taken up. */
  catchUp(): Promise<boolean>;
  /** Whether a reply is being made or asked for. */
  readonly isBusy: boolean;
  /** Whether it was asked to stop. */
  readonly isStopping: boolean;
  /** Stops the reply that runs, or the one that is being asked for. */
  stop(): Promise<void>;
}

/** Takes up a conversation: shows its end and follows what is said from here on. */
export async function openTalk(uses: {
  client: Client;
  screen: Screen;
  conversation: Conversation;
  partner: Partner;
  /** Ends every wait: the person leaves. */
  signal: AbortSignal;
}): Promise<Talk> {
  const { client, screen, conversation, partner, signal } = uses;
  const conversation_id = conversation.id;
  const { items } = await client.messages.list({ conversation_id, limit: HISTORY_SHOWN });
  // The place of a running reply fills as it is followed.
  screen.open(
    conversation,
    partner,
    items.filter(({ status }) => status !== "pending"),
  );

  let isBusy = false;
  let runningId: string | null = null;
  let isStopWanted = false;

  const stop = async () => {
    isStopWanted = true;
    const turnId = runningId;
    if (turnId !== null) await persistently(() => client.turns.stop({ turn_id: turnId }), signal);
  };

  /** Has a turn made and shows it to its end. */
  async function follow(ask: () => Promise<string>): Promise<boolean> {
    isBusy = true;
    isStopWanted = false;
    try {
      runningId = await persistently(ask, signal);
      if (isStopWanted) await stop();
      let isWhole = false;
      for await (const event of client.events(runningId, { signal })) {
        screen.event(event, partner);
        isWhole = event.type === "turn.completed";
      }
      // For unread marks elsewhere; it does no harm where it fails.
      void markRead().catch(() => {});
      return isWhole;
    } finally {
      runningId = null;
      isBusy = false;
    }
  }

  async function markRead(): Promise<void> {
    const { message_count } = await client.conversations.get({ conversation_id });
    await client.conversations.update({ conversation_id, last_read_seq: message_count });
  }

  const send = (content: string, parent_id?: string | null) => {
    const client_message_id = newId();
    return follow(async () => {
      const { turn } = await client.messages.send({
        conversation_id,
        content,
        client_message_id,
        ...(parent_id !== undefined && { parent_id }),
      });
      return turn?.id ?? "";
    });
  };

  const newest = (limit: number) => client.messages.list({ conversation_id, limit });
  const lastOf = async (role: Message["role"]): Promise<Message | undefined> =>
    (await newest(HISTORY_SHOWN)).items.findLast((message) => message.role === role);

  return {
    conversation,
    partner,
    said: items
      .flatMap(({ role, content }) => (role === "user" && content !== "" ? [content] : []))
      .reverse(),
    get isBusy() {
      return isBusy;
    },
    get isStopping() {
      return isBusy && isStopWanted;
    },
    stop,
    say: (text) => send(text),
    async edit(text) {
      const last = await lastOf("user");
      if (last) return send(text, last.parent_id);
      screen.notice("You have said nothing yet.");
      return true;
    },
    async regenerate() {
      const last = (await newest(1)).items.at(-1);
      if (!last) {
        screen.notice("There is nothing to regenerate yet.");
        return true;
      }
      const idempotencyKey = newId();
      return follow(async () => {
        const { turn } = await client.messages.regenerate({ message_id: last.id }, { idempotencyKey });
        return turn.id;
      });
    },
    async turnTo(step) {
      const last = (await newest(1)).items.at(-1);
      const wanted = (last?.siblings.index ?? 0) + step;
      if (!last || wanted < 0 || wanted >= last.siblings.count) {
        screen.notice(
          step < 0
            ? "This is the first reply there was."
            : "This is the last reply; /regenerate makes another.",
        );
        return;
      }
      const sibling = await siblingOf(client, last, wanted);
      if (!sibling) return;
      await client.conversations.update({ conversation_id, head_id: sibling.id });
      screen.history(partner, [sibling]);
      screen.notice(`(${wanted + 1} of ${last.siblings.count})`);
    },
    async showHistory(limit) {
      screen.history(partner, (await newest(limit)).items);
    },
    async catchUp() {
      const { active_turn_id } = await client.conversations.get({ conversation_id });
      return active_turn_id === null ? true : follow(async () => active_turn_id);
    },
  };
}

const PAGE = 200;
const PAGES_MAX = 50;

/** The sibling at an index: it has the same parent, and lies above or below by seq. */
async function siblingOf(client: Client, of: Message, index: number): Promise<Message | undefined> {
  let before: string | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const { items, before_cursor } = await client.messages.list({
      conversation_id: of.conversation_id,
      branch: "all",
      limit: PAGE,
      ...(before !== undefined && { before }),
    });
    const found = items.find(
      ({ parent_id, siblings }) => parent_id === of.parent_id && siblings.index === index,
    );
    if (found || before_cursor === null) return found;
    before = before_cursor;
  }
  return undefined;
}

/**
 * Makes a call that is safe to repeat, again and again while the server cannot be reached or asks for
 * patience; what it refuses is thrown at once.
 */
export async function persistently<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await call();
    } catch (error) {
      const isWorthIt = error instanceof Problem ? waits.has(error.code) : error instanceof TypeError;
      if (!isWorthIt || tries >= TRIES_MAX || signal.aborted) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(RETRY_MS_MAX, 100 * 2 ** tries)));
  }
}

/** Problems that pass by themselves within seconds. */
const waits: ReadonlySet<string> = new Set(["draining", "overloaded", "storage_unavailable", "in_flight"]);
