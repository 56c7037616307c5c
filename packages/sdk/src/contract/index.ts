import { characters } from "./characters.ts";
import { conversations } from "./conversations.ts";
import { messages } from "./messages.ts";
import { models } from "./models.ts";
import { realtime } from "./realtime.ts";
import type { Api } from "./route.ts";
import { turns } from "./turns.ts";
import { keys, sessions, users } from "./users.ts";

/** The whole native API: a table of routes for each noun. */
export const contract = {
  users,
  sessions,
  keys,
  characters,
  conversations,
  messages,
  turns,
  models,
  realtime,
};
export type Contract = typeof contract;

/** What the modules offer together; the native surface serves it, the client stands in for it. */
export type ParleyApi = { readonly [N in keyof Contract]: Api<Contract[N]> };

export * from "./characters.ts";
export * from "./conversations.ts";
export * from "./events.ts";
export * from "./frames.ts";
export * from "./messages.ts";
export * from "./models.ts";
export { ops } from "./ops.ts";
export * from "./problem.ts";
export * from "./realtime.ts";
export * from "./route.ts";
export * from "./schema.ts";
export * from "./turns.ts";
export * from "./users.ts";
