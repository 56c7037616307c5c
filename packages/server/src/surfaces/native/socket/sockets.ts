import type { ParleyApi, Principal, Problem } from "@parley-chat/sdk/contract";
import type { TurnLog } from "../../../modules/turns/turn-log.ts";
import type { Turns } from "../../../modules/turns/turns.ts";
import type { Peer, PeerSession } from "../../peer.ts";
import { createFeeds, type Feeds, type FeedUses } from "./feeds.ts";
import { Session } from "./session.ts";

export interface SocketUses {
  api: Pick<ParleyApi, "conversations" | "messages" | "turns">;
  feeds: Feeds;
  /** The rest of a turn from a cursor; throws `invalid_cursor`. */
  resume(conversationId: string, after: string, principal: Principal): ReturnType<Turns["resume"]>;
  /** The turns of a conversation that have started and not ended. */
  underWay(conversationId: string): readonly TurnLog[];
  /** Throws `draining` once the server is stopping. */
  checkOpen(): void;
  /** Hears of every refusal. */
  onProblem(problem: Problem, requestId: string): void;
}

/** Serves the native API's frames over the sockets that a role opens. */
export function createSockets(uses: Omit<SocketUses, "feeds"> & FeedUses): {
  open(peer: Peer): PeerSession;
} {
  const socketUses: SocketUses = { ...uses, feeds: createFeeds(uses) };
  return { open: (peer) => new Session(peer, socketUses) };
}
