import type { Device, Principal } from "@parley-chat/sdk/contract";
import { derivedId } from "../../../kit/ids.ts";
import { textFrame } from "../../../kit/web-socket-frames.ts";
import type { UserNews } from "../../../modules/realtime/news.ts";
import { deviceName } from "./device-name.ts";
import type { FeedUses } from "./feeds.ts";
import { createOrder } from "./in-order.ts";

/** Activity and presence are told so soon, and what came meanwhile with them. */
const FLUSH_MS = 200;
/** Frames about activity in one flush, over all sockets: many sockets hear of it less often. */
const ACTIVITY_FRAMES_PER_FLUSH = 512;
const DEVICES_SHOWN_MAX = 32;

/** A socket, as its user's feed sees it. */
export interface UserMember {
  readonly principal: Principal;
  readonly userAgent: string;
  broadcast(frame: Buffer): void;
  giveUp(): void;
}

export interface UserFeed {
  /** Returns the function that leaves, which returns how many stay. */
  join(member: UserMember): () => number;
  close(): void;
}

interface Connected {
  device: Device;
  sockets: number;
}

/** What one user's sockets hear without subscribing: their conversations and their devices. */
export function createUserFeed(uses: Omit<FeedUses, "watch">, userId: string): UserFeed {
  const { clock } = uses;
  const members = new Set<UserMember>();
  const devices = new Map<string, Connected>();
  const active = new Set<string>();
  let isPresenceDue = false;
  let cancelFlush: (() => void) | null = null;

  const toAll = (frame: Buffer) => {
    for (const member of members) member.broadcast(frame);
  };
  const inOrder = createOrder(uses.onTrouble, () => {
    for (const member of [...members]) member.giveUp();
  });

  const tellConversation = async (type: UserNews["type"], id: string): Promise<void> => {
    active.delete(id);
    const conversation = await uses.readConversation(id, userId);
    if (conversation) toAll(textFrame(JSON.stringify({ type, conversation })));
  };

  const presence = () => {
    const newest = [...devices.values()].map(({ device }) => device).slice(-DEVICES_SHOWN_MAX);
    return textFrame(JSON.stringify({ type: "presence", devices: newest.reverse() }));
  };

  const flushLater = () => {
    cancelFlush ??= clock.after(FLUSH_MS, () => {
      cancelFlush = null;
      flush();
    });
  };
  const flush = () => {
    if (isPresenceDue) toAll(presence());
    isPresenceDue = false;
    const count = Math.max(1, Math.floor(ACTIVITY_FRAMES_PER_FLUSH / members.size));
    for (const id of [...active].slice(0, count)) inOrder(() => tellConversation("conversation.updated", id));
    if (active.size > count) flushLater();
  };

  const stopNews = uses.news.ofUser(userId, (news) => {
    if (news.type === "conversation.active") {
      active.add(news.conversationId);
      flushLater();
    } else if (news.type === "conversation.deleted") {
      inOrder(async () => toAll(textFrame(JSON.stringify(news))));
    } else inOrder(() => tellConversation(news.type, news.conversationId));
  });

  return {
    join(member) {
      const { credential } = member.principal;
      const isNew = !devices.has(credential.id);
      const connected = devices.get(credential.id) ?? {
        device: {
          id: derivedId("device", credential.id),
          name: deviceName(member.userAgent),
          connected_at: new Date(clock.now()).toISOString(),
        },
        sockets: 0,
      };
      connected.sockets++;
      devices.set(credential.id, connected);
      if (isNew && members.size > 0) {
        isPresenceDue = true;
        flushLater();
      }
      members.add(member);
      member.broadcast(presence());
      return () => {
        members.delete(member);
        if (--connected.sockets === 0) {
          devices.delete(credential.id);
          isPresenceDue = true;
          if (members.size > 0) flushLater();
        }
        return members.size;
      };
    },
    close() {
      stopNews();
      cancelFlush?.();
    },
  };
}
