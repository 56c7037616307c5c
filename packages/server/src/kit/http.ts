import type * as Http from "node:http";

/**
 * Node's HTTP. An `import` of "node:http" for more than types looks at every name in it, and one of them
 * (`WebSocket`) loads Node's whole `fetch`, of which a start needs nothing.
 */
export const http: typeof Http = process.getBuiltinModule("node:http");
