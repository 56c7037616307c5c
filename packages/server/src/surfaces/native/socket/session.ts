import {
  type ClientFrame,
  clientFrames,
  type Principal,
  type SignedInContext,
} from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { isId, newId } from "../../../kit/ids.ts";
import { readJsonBody } from "../../../kit/json-body.ts";
import { createKeyedQueue } from "../../../kit/keyed-queue.ts";
import { nearest } from "../../../kit/nearest.ts";
import { textFrame } from "../../../kit/web-socket-frames.ts";
import type { Peer, PeerSession } from "../../peer.ts";
import { lazyValidator, type Validator } from "../validator.ts";
import type { SocketUses } from "./sockets.ts";
import { Subscription } from "./subscription.ts";
import type { UserMember } from "./user-feed.ts";

/** Frames of one socket that may be worked on at once; the rest waits in the client. */
const IN_FLIGHT_MAX = 32;
const SUBSCRIPTIONS_MAX = 100;

const validators = Object.fromEntries(
  Object.entries(clientFrames).map(([type, { schema }]) => [type, lazyValidator(schema)]),
) as Readonly<Record<string, Validator>>;

/** One socket's side of the native API: frames in, the same module calls as over HTTP, frames out. */
export class Session implements PeerSession, UserMember {
  readonly #peer: Peer;
  readonly #uses: SocketUses;
  readonly #subscriptions = new Map<string, Subscription>();
  /** Frames about one conversation are worked on in the order in which they came. */
  readonly #inOrder = createKeyedQueue();
  readonly #leaveUser: () => void;
  #inFlight = 0;
  #isPaused = false;
  #isClosed = false;

  constructor(peer: Peer, uses: SocketUses) {
    this.#peer = peer;
    this.#uses = uses;
    this.#leaveUser = uses.feeds.joinUser(peer.principal.userId, this);
  }

  get principal(): Principal {
    return this.#peer.principal;
  }

  get userAgent(): string {
    return this.#peer.userAgent;
  }

  broadcast(frame: Buffer): void {
    this.#peer.write(frame);
  }

  giveUp(): void {
    this.#peer.giveUp();
  }

  receive(data: Buffer, isBinary: boolean): void {
    let id: string | undefined;
    try {
      const value = isBinary ? refuseBinary() : readJsonBody(data);
      id = idOf(value);
      const frame = checkFrame(value);
      if (frame.type === "ping") this.#write({ type: "pong", id });
      else void this.#work(id, frame);
    } catch (error) {
      this.#refuse(id ?? (isBinary ? undefined : readId(data)), error);
    }
  }

  blocked(): void {
    for (const subscription of this.#subscriptions.values()) subscription.blocked();
    this.#holdOrGoOn();
  }

  drained(): void {
    for (const subscription of this.#subscriptions.values()) subscription.drained();
    this.#holdOrGoOn();
  }

  closed(): void {
    this.#isClosed = true;
    this.#leaveUser();
    for (const subscription of this.#subscriptions.values()) subscription.end();
    this.#subscriptions.clear();
  }

  async #work(id: string | undefined, frame: Exclude<ClientFrame, { type: "ping" }>): Promise<void> {
    this.#inFlight++;
    this.#holdOrGoOn();
    try {
      const answer = await this.#do(id, frame);
      if (answer && id !== undefined) this.#write({ type: "ack", ...answer, id });
    } catch (error) {
      this.#refuse(id, error);
    } finally {
      this.#inFlight--;
      this.#holdOrGoOn();
    }
  }

  /** Resolves with what the `ack` says, or with nothing where it was sent already. */
  #do(id: string | undefined, frame: Exclude<ClientFrame, { type: "ping" }>): Promise<object | undefined> {
    switch (frame.type) {
      case "message.send":
        return this.#inOrder(`send ${frame.conversation_id}`, () => this.#send(frame));
      case "turn.stop":
        return this.#stop(frame.turn_id);
      case "conversation.subscribe":
        return this.#inOrder(frame.conversation_id, () => this.#subscribe(id, frame));
      case "conversation.unsubscribe":
        return this.#inOrder(frame.conversation_id, async () => {
          this.#drop(frame.conversation_id);
          return {};
        });
    }
  }

  async #send({ type: _, id: __, ...input }: Extract<ClientFrame, { type: "message.send" }>) {
    this.#uses.checkOpen();
    if (!isId(input.conversation_id)) throw noConversation();
    let isReplay = false;
    const context = this.#context(() => {
      isReplay = true;
    });
    const answer = await this.#uses.api.messages.send(input, context);
    return isReplay ? { ...answer, replayed: true } : answer;
  }

  async #stop(turn_id: string): Promise<object> {
    const turn = await this.#uses.api.turns.stop({ turn_id }, this.#context());
    return { ...turn, turn };
  }

  async #subscribe(
    id: string | undefined,
    { conversation_id, after }: Extract<ClientFrame, { type: "conversation.subscribe" }>,
  ): Promise<undefined> {
    const { api, feeds, resume, underWay } = this.#uses;
    const { principal } = this.#peer;
    if (!this.#subscriptions.has(conversation_id) && this.#subscriptions.size >= SUBSCRIPTIONS_MAX) {
      throw Problem.invalid("conversation_id", `is one too many: a socket holds ${SUBSCRIPTIONS_MAX}`);
    }
    if (!isId(conversation_id)) throw noConversation();
    await api.conversations.get({ conversation_id }, this.#context());
    const from = after === undefined ? null : await resume(conversation_id, after, principal);
    if (this.#isClosed) {
      from?.reader?.close();
      return;
    }
    // From here on nothing waits, so that no turn starts unheard.
    this.#drop(conversation_id);
    const subscription = new Subscription(conversation_id, this.#peer, () => this.#drop(conversation_id));
    this.#subscriptions.set(conversation_id, subscription);
    subscription.place = feeds.joinConversation(conversation_id, principal.userId, subscription);
    if (id !== undefined) this.#write({ type: "ack", id });
    if (from?.reader) subscription.follow(from.position.turnId, from.reader);
    for (const log of underWay(conversation_id)) {
      // A cursor into nothing here must be told of, with a reset.
      subscription.follow(log.turnId, log.read(from && !from.reader ? from.position : null));
    }
  }

  #drop(conversationId: string): void {
    this.#subscriptions.get(conversationId)?.end();
    this.#subscriptions.delete(conversationId);
  }

  #context(markReplayed: () => void = () => {}): SignedInContext {
    const { principal, address } = this.#peer;
    return { principal, requestId: newId(), address, newId, markReplayed, showLimit: () => {} };
  }

  #refuse(id: string | undefined, error: unknown): void {
    const problem = Problem.from(error);
    const requestId = newId();
    this.#uses.onProblem(problem, requestId);
    this.#write({ type: "error", id, problem: problem.toDocument(requestId) });
  }

  #write(frame: object): void {
    if (!this.#isClosed) this.#peer.write(textFrame(JSON.stringify(frame)));
  }

  /** Takes no more of the client while too much is being done for it, or it does not take its answers. */
  #holdOrGoOn(): void {
    const mustWait = this.#inFlight >= IN_FLIGHT_MAX || this.#peer.isBlocked();
    if (mustWait === this.#isPaused) return;
    this.#isPaused = mustWait;
    if (mustWait) this.#peer.pause();
    else this.#peer.resume();
  }
}

/** The id to answer with, also where the rest of the frame does not fit. */
function idOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || !("id" in value)) return undefined;
  const { id } = value;
  return typeof id === "string" && id.length >= 1 && id.length <= 128 ? id : undefined;
}

/** The id of a frame that cannot be taken as a whole: whoever waits for its answer must get one. */
function readId(data: Buffer): string | undefined {
  try {
    return idOf(JSON.parse(data.toString("utf8")));
  } catch {
    return undefined;
  }
}

function checkFrame(value: unknown): ClientFrame {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw Problem.invalid("", "a frame must be a JSON object");
  }
  const { type } = value as { type?: unknown };
  const check = typeof type === "string" && Object.hasOwn(validators, type) ? validators[type] : undefined;
  if (!check) throw noSuchFrame(type);
  check(value);
  return value as ClientFrame;
}

function noSuchFrame(type: unknown): Problem {
  if (typeof type !== "string") return Problem.invalid("type", "must name the kind of frame");
  const near = nearest(type.slice(0, 100), Object.keys(clientFrames));
  return Problem.invalid("type", `is not a known frame${near ? `; did you mean ${near}?` : ""}`);
}

function refuseBinary(): never {
  throw new Problem("unsupported_type", "Send JSON in text frames.");
}

const noConversation = () => new Problem("not_found", "There is no such conversation.");
