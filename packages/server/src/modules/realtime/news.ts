import type { Conversation } from "@parley-chat/sdk/contract";
import type { PubSub } from "../../ports/pubsub/pubsub.ts";

/**
 * What happened in a conversation. Texts stay in their store: news name what to read there, so that none
 * is too long for the channel and nobody reads what is not theirs.
 */
export type ConversationNews =
  | { readonly type: "message.created" | "message.deleted"; readonly messageId: string }
  | { readonly type: "conversation.deleted" };

/** What happened to a user's conversations; `active` is what may be told a little later, and once. */
export type UserNews =
  | {
      readonly type: "conversation.created" | "conversation.updated" | "conversation.active";
      readonly conversationId: string;
    }
  | { readonly type: "conversation.deleted"; readonly conversation: Conversation };

/** News from modules to open sockets, told after the durable write and in its order. */
export interface News {
  tellConversation(conversationId: string, news: ConversationNews): void;
  tellUser(userId: string, news: UserNews): void;
  /** Both return the function that ends the listening. */
  ofConversation(conversationId: string, listener: (news: ConversationNews) => void): () => void;
  ofUser(userId: string, listener: (news: UserNews) => void): () => void;
}

export function createNews({ pubsub }: { pubsub: PubSub }): News {
  const conversation = (id: string) => `conversation:${id}`;
  const user = (id: string) => `user:${id}`;
  return {
    tellConversation: (id, news) => pubsub.publish(conversation(id), news),
    tellUser: (id, news) => pubsub.publish(user(id), news),
    ofConversation: (id, listener) =>
      pubsub.subscribe(conversation(id), (news) => listener(news as ConversationNews)),
    ofUser: (id, listener) => pubsub.subscribe(user(id), (news) => listener(news as UserNews)),
  };
}
