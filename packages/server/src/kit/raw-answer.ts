import type { IncomingHttpHeaders } from "node:http";
import type { Duplex } from "node:stream";
import type { ProblemDocument } from "@parley-chat/sdk/contract/problem";
import { http } from "./http.ts";
import { newId } from "./ids.ts";

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** The caller's own id of a request where it is fit to be one, else a new one. */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const given = headers["x-request-id"];
  return typeof given === "string" && REQUEST_ID.test(given) ? given : newId();
}

/** Answers a connection that no framework serves with a problem, and ends it. */
export function answerRaw(
  socket: Duplex,
  problem: ProblemDocument,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = JSON.stringify(problem);
  const lines = Object.entries({
    connection: "close",
    "x-request-id": problem.request_id,
    "content-type": "application/problem+json; charset=utf-8",
    "content-length": String(Buffer.byteLength(body)),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(
    `HTTP/1.1 ${problem.status} ${http.STATUS_CODES[problem.status] ?? ""}\r\n${lines.join("")}\r\n${body}`,
  );
}
