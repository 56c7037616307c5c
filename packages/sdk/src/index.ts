export * from "./client.ts";
export * from "./contract/index.ts";
export * from "./realtime.ts";
