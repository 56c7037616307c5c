import type { Client } from "./client.ts";
import {
  type ErrorFrame,
  type Input,
  type messages,
  type OwnFrame,
  Problem,
  realtimeSocket,
  type ServerFrame,
  type Turn,
} from "./contract/index.ts";
import { createActivation } from "./realtime/activation.ts";
import { createConnector, type RealtimeState } from "./realtime/connector.ts";
import { createFallback } from "./realtime/fallback.ts";
import { createOutbox, type Sent, Undelivered, type Unsent, type UnsentStorage } from "./realtime/outbox.ts";
import {
  type ConversationListener,
  createSubscription,
  type Subscription,
} from "./realtime/subscriptions.ts";
import { platformWebSocket, type WebSocketConstructor } from "./realtime/web-socket.ts";

export type { RealtimeState } from "./realtime/connector.ts";
export { type Sent, Undelivered, type Unsent, type UnsentStorage } from "./realtime/outbox.ts";
export type { ConversationEvent, ConversationListener } from "./realtime/subscriptions.ts";
export type { WebSocketConstructor, WebSocketLike } from "./realtime/web-socket.ts";

export interface RealtimeSettings {
  /** Asks for tickets, and does the work where no socket gets through. */
  client: Client;
  /** Where the server is, e.g. `http://localhost:8666`. */
  baseUrl: string;
  /** Where the platform has none (Node before 22): that of the package `ws`, for example. */
  WebSocket?: WebSocketConstructor;
  /** Keeps unsent messages over a reload, e.g. `sessionStorage`. Without it they last as long as this object. */
  storage?: UnsentStorage;
  /** Whose unsent messages these are, e.g. the user's id: whoever else signs in on this page does not send them. */
  storageName?: string;
}

export interface Realtime {
  readonly state: RealtimeState;
  /** Each of these returns the function that ends the listening. */
  onState(listener: (state: RealtimeState) => void): () => void;
  /**
   * Frames of one's own. An `error` is of a message that an earlier page had left unsent (`id` is its client
   * id), or of a conversation that cannot be subscribed (`id` is the conversation's).
   */
  on(listener: (frame: OwnFrame | ErrorFrame) => void): () => void;
  /**
   * Hears of a conversation, over all breaks: within an epoch the deltas of a reply tile it without gap or
   * overlap. With `after` a turn goes on from the cursor of an earlier event. A refusal for good (the
   * conversation is gone) is told by an `error` frame to `on`; one that passes is tried again.
   */
  subscribe(conversationId: string, listener: ConversationListener, options?: { after?: string }): () => void;
  /**
   * Sends a message and waits for the durable answer, over all breaks; what is not acknowledged is sent
   * again under the same client id. Rejects with a `Problem` where the server refuses it, and with
   * `Undelivered` where no answer comes any more: this was closed, or the credential refused.
   */
  send(message: Input<typeof messages.send>): Promise<Sent>;
  /** What was sent and is not yet acknowledged, oldest first in each conversation. */
  readonly unsent: readonly Unsent[];
  /** Stops a turn; resolves when it has ended, or after two seconds. */
  stop(turnId: string): Promise<Turn>;
  close(): void;
}

interface Waiting {
  resolve(frame: Record<string, unknown>): void;
  reject(error: Error): void;
}

/** One socket to the server for everything that happens now; connects at once and for as long as it is not closed. */
export function createRealtime(settings: RealtimeSettings): Realtime {
  const { client } = settings;
  const baseUrl = settings.baseUrl.replace(/\/+$/, "");
  const waiting = new Map<string, Waiting>();
  const subscriptions = new Map<string, Subscription>();
  const stateListeners = new Set<(state: RealtimeState) => void>();
  const ownListeners = new Set<(frame: OwnFrame | ErrorFrame) => void>();
  let lastId = 0;

  const tellOwn = (frame: OwnFrame | ErrorFrame) => {
    for (const listener of [...ownListeners]) listener(frame);
  };

  /** Sends a frame and waits for its answer; rejects with `Undelivered` where none can come any more. */
  const request = (frame: object): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      const id = String(++lastId);
      waiting.set(id, { resolve, reject });
      if (connector.send({ ...frame, id })) return;
      waiting.delete(id);
      reject(new Undelivered("the socket is not open"));
    });

  const takeAnswer = (id: string | undefined, answer: (to: Waiting) => void): void => {
    const to = id === undefined ? undefined : waiting.get(id);
    if (id === undefined || !to) return;
    waiting.delete(id);
    answer(to);
  };

  function onFrame(frame: ServerFrame): void {
    switch (frame.type) {
      case "ack":
        takeAnswer(frame.id, ({ resolve }) => resolve(frame));
        return;
      case "error":
        takeAnswer(frame.id, ({ reject }) => reject(Problem.fromDocument(frame.problem)));
        return;
      case "pong":
        return;
      case "message.created":
      case "message.deleted":
        subscriptions.get(frame.message.conversation_id)?.takeMessage(frame);
        return;
      case "presence":
      case "conversation.created":
      case "conversation.updated":
      case "conversation.deleted":
        tellOwn(frame);
        return;
      default: {
        const subscription = subscriptions.get(frame.conversation_id);
        if (subscription?.takeTurn(frame) === false) connector.reconnect();
      }
    }
  }

  async function deliver(message: Unsent): Promise<Sent> {
    const { conversation_id } = message;
    if (connector.state === "fallback") {
      const sent = await client.messages.send(message);
      const subscription = subscriptions.get(conversation_id);
      // By name: a quick turn has ended before anybody looks what is under way.
      if (sent.turn && subscription) fallback.follow(subscription, sent.turn.id);
      fallback.look(conversation_id);
      return sent;
    }
    const { type: _, id: __, replayed: ___, ...sent } = await request({ type: "message.send", ...message });
    return sent as Sent;
  }

  const outbox = createOutbox({
    deliver,
    storage: settings.storage,
    storageKey: `parley.unsent:${encodeURIComponent(settings.storageName ?? "")}:${baseUrl}`,
    onRefused: (message, problem) =>
      tellOwn({ type: "error", id: message.client_message_id, problem: problem.toDocument("") }),
  });
  const fallback = createFallback({
    client,
    subscriptions: () => subscriptions.values(),
    onConversation: (conversation) => tellOwn({ type: "conversation.updated", conversation }),
    onRound: () => outbox.flush(),
  });
  const activation = createActivation({
    request,
    isListened: (subscription) => subscriptions.get(subscription.conversationId) === subscription,
    follow: fallback.follow,
    onRefused: (id, problem) => tellOwn({ type: "error", id, problem: problem.toDocument("") }),
  });
  const connector = createConnector({
    async address() {
      const { ticket } = await client.realtime.createTicket();
      const url = new URL(baseUrl + realtimeSocket.path);
      url.protocol = url.protocol.replace("http", "ws");
      url.searchParams.set("ticket", ticket);
      return url.href;
    },
    WebSocket: settings.WebSocket ?? platformWebSocket(),
    onState(state) {
      if (state === "fallback") fallback.start();
      else fallback.stop();
      if (state === "refused") outbox.close("the credential was refused");
      for (const listener of [...stateListeners]) listener(state);
    },
    onOpen() {
      for (const subscription of subscriptions.values()) {
        void activation.activate(subscription, { isAfterBreak: true });
      }
      outbox.flush();
    },
    onFrame,
    onLost() {
      activation.forget();
      for (const { reject } of waiting.values()) reject(new Undelivered("the socket broke"));
      waiting.clear();
    },
  });

  return {
    get state() {
      return connector.state;
    },
    onState(listener) {
      stateListeners.add(listener);
      return () => void stateListeners.delete(listener);
    },
    on(listener) {
      ownListeners.add(listener);
      return () => void ownListeners.delete(listener);
    },
    subscribe(conversationId, listener, { after: given } = {}) {
      const after = given || undefined;
      const known = subscriptions.get(conversationId);
      const subscription = known ?? createSubscription(conversationId);
      subscriptions.set(conversationId, subscription);
      const leave = subscription.add(listener, after);
      if (connector.state === "open") void activation.activate(subscription, { isAfterBreak: false });
      else fallback.joined(subscription);
      return () => {
        if (leave() > 0 || subscriptions.get(conversationId) !== subscription) return;
        subscriptions.delete(conversationId);
        fallback.left(subscription);
        connector.send({ type: "conversation.unsubscribe", conversation_id: conversationId });
      };
    },
    send: (message) =>
      outbox.send({ ...message, client_message_id: message.client_message_id ?? newClientId() }),
    get unsent() {
      return outbox.unsent;
    },
    async stop(turnId) {
      try {
        return (await request({ type: "turn.stop", turn_id: turnId })).turn as Turn;
      } catch (error) {
        if (!(error instanceof Undelivered)) throw error;
        return client.turns.stop({ turn_id: turnId });
      }
    },
    close() {
      outbox.close("closed before an answer came");
      fallback.stop();
      connector.close();
    },
  };
}

/** `randomUUID` needs a secure context, and a phone on the home network has none. */
function newClientId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
