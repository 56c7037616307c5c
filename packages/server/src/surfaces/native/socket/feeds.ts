import type { Conversation, Message } from "@parley-chat/sdk/contract";
import type { Clock } from "../../../kit/clock.ts";
import { textFrame } from "../../../kit/web-socket-frames.ts";
import type { ConversationNews, News } from "../../../modules/realtime/news.ts";
import type { TurnLog } from "../../../modules/turns/turn-log.ts";
import type { Peer } from "../../peer.ts";
import { createOrder } from "./in-order.ts";
import { openTurnGroup, type TurnGroup } from "./turn-group.ts";
import { createUserFeed, type UserFeed, type UserMember } from "./user-feed.ts";

export interface FeedUses {
  news: Pick<News, "ofConversation" | "ofUser">;
  clock: Clock;
  /** Hears of the turns of a conversation that start. */
  watch(conversationId: string, watcher: (log: TurnLog) => void): () => void;
  readMessage(id: string, userId: string): Promise<Message | null>;
  readConversation(id: string, userId: string): Promise<Conversation | null>;
  onTrouble(error: unknown): void;
}

/** A subscription, as a feed sees it. */
export interface ConversationMember {
  follow(turnId: string, reader: ReturnType<TurnLog["read"]>): void;
  readonly peer: Peer;
  /** The conversation is no more. */
  gone(): void;
}

/**
 * What sockets hear, gathered once for all that hear the same: one feed for each conversation and each
 * user with open sockets. Each reads what news name, builds one frame and writes it to all, in the order
 * in which things were stored.
 */
export interface Feeds {
  /** The caller has checked that the conversation is the user's. */
  joinConversation(conversationId: string, userId: string, member: ConversationMember): FeedPlace;
  /** Returns the function that leaves. */
  joinUser(userId: string, member: UserMember): () => void;
}

/** A member's place at the feed of a conversation. */
export interface FeedPlace {
  leave(): void;
  /** The member's socket takes no more for now: it reads the turns under way by itself. */
  fallBehind(): void;
}

interface ConversationFeed {
  members: Set<ConversationMember>;
  /** Turns that are written to all who heard them begin. */
  groups: Set<TurnGroup>;
  close(): void;
}

export function createFeeds(uses: FeedUses): Feeds {
  const conversations = new Map<string, ConversationFeed>();
  const users = new Map<string, UserFeed>();

  return {
    joinConversation(conversationId, userId, member) {
      const feed = conversations.get(conversationId) ?? openConversation(uses, conversationId, userId);
      conversations.set(conversationId, feed);
      const { members, groups, close } = feed;
      members.add(member);
      return {
        leave() {
          if (!members.delete(member)) return;
          for (const group of groups) group.leave(member);
          if (members.size > 0) return;
          conversations.delete(conversationId);
          close();
        },
        fallBehind() {
          for (const group of groups) group.fallBehind(member);
        },
      };
    },
    joinUser(userId, member) {
      const feed = users.get(userId) ?? createUserFeed(uses, userId);
      users.set(userId, feed);
      const leave = feed.join(member);
      return () => {
        if (leave() > 0) return;
        users.delete(userId);
        feed.close();
      };
    },
  };
}

function openConversation(uses: FeedUses, conversationId: string, userId: string): ConversationFeed {
  const members = new Set<ConversationMember>();
  const groups = new Set<TurnGroup>();
  const inOrder = createOrder(uses.onTrouble, () => {
    for (const member of [...members]) member.peer.giveUp();
  });

  const tell = async (news: ConversationNews): Promise<void> => {
    if (news.type === "conversation.deleted") {
      for (const member of [...members]) member.gone();
      return;
    }
    const message = await uses.readMessage(news.messageId, userId);
    if (!message) return;
    const frame = textFrame(JSON.stringify({ type: news.type, message }));
    for (const member of members) member.peer.write(frame);
  };
  const stopNews = uses.news.ofConversation(conversationId, (news) => inOrder(() => tell(news)));
  const stopWatch = uses.watch(conversationId, (log) => {
    // Whoever joins from now on finds the turn under way.
    const present = [...members];
    inOrder(async () => {
      const hearers = present.filter((member) => members.has(member) && !member.peer.isBlocked());
      const behind = present.filter((member) => members.has(member) && member.peer.isBlocked());
      for (const member of behind) member.follow(log.turnId, log.read(null));
      const group = openTurnGroup(log, hearers, () => groups.delete(group));
      groups.add(group);
      group.begin();
    });
  });
  return {
    members,
    groups,
    close() {
      stopNews();
      stopWatch();
    },
  };
}
