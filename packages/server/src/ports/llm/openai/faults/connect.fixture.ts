import { once } from "node:events";
import { connect } from "node:net";
import { Worker } from "node:worker_threads";
import { expect } from "vitest";
import type { Fault } from "./scene.fixture.ts";

/** A port whose system answers no more: its queue of connections is full and nobody takes them. */
async function blackhole(cleanUp: (() => void)[]): Promise<number> {
  const worker = new Worker(
    `const { parentPort } = require("node:worker_threads");
     const server = require("node:net").createServer();
     server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       // At once: a turn of the loop would take whoever has come by then, and make room for another.
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
     });`,
    { eval: true },
  );
  const [port] = (await once(worker, "message")) as [number];
  const fillers = Array.from({ length: 8 }, () => connect(port, "127.0.0.1").on("error", () => {}));
  await Promise.race(fillers.map((filler) => once(filler, "connect")));
  cleanUp.push(() => {
    for (const filler of fillers) filler.destroy();
    void worker.terminate();
  });
  return port;
}

const GOAWAY = Buffer.from("00000807000000000000000000000000000000", "hex");

export const connectFaults: Fault[] = [
  {
    name: "refused",
    // Where nobody listens, and no system lets a program listen that asks for any free port.
    call: { baseUrl: "http://127.0.0.1:9/v1" },
    expect: {
      kind: "failed",
      code: "provider_unavailable",
      retryable: true,
      says: "",
      detail: expect.stringMatching(/does not answer \(connection refused\).*DEFAULT_LLM_PROVIDER/),
    },
  },
  {
    name: "black hole",
    call: async (cleanUp) => ({
      baseUrl: `http://127.0.0.1:${await blackhole(cleanUp)}/v1`,
      drive: ({ clock }) => clock.advance(3_000),
    }),
    expect: { kind: "failed", code: "provider_timeout", detail: expect.stringContaining("within 3 s") },
  },
  {
    name: "DNS failure",
    // Longer than any label may be: no resolver asks the network for it.
    call: { baseUrl: `http://${"a".repeat(64)}.invalid/v1` },
    expect: { kind: "failed", code: "provider_unavailable", detail: expect.stringContaining("host name") },
  },
  {
    name: "TLS with a bad certificate",
    call: { tls: "bad_certificate" },
    expect: {
      kind: "failed",
      code: "provider_unavailable",
      retryable: false,
      detail: expect.stringContaining("certificate"),
    },
  },
  {
    name: "TLS that stalls",
    call: {
      tls: "stall",
      drive: async ({ whenAsked, clock }) => {
        await whenAsked;
        await clock.advance(3_000);
      },
    },
    expect: { kind: "failed", code: "provider_timeout" },
  },
  {
    name: "reset before headers",
    call: { raw: (socket) => socket.resetAndDestroy() },
    expect: { kind: "failed", code: "provider_unavailable", retryable: true },
  },
  {
    name: "closed before headers",
    call: { raw: (socket) => socket.end() },
    expect: { kind: "failed", code: "provider_unavailable", retryable: true },
  },
  {
    name: "GOAWAY of HTTP/2",
    call: { raw: (socket) => socket.end(GOAWAY) },
    expect: { kind: "failed", code: "provider_error" },
  },
  {
    name: "a proxy's 502 in HTML",
    call: {
      handler: (response) => {
        response.writeHead(502, { "content-type": "text/html" });
        response.end("<html><h1>502 Bad Gateway</h1></html>");
      },
    },
    expect: { kind: "failed", code: "provider_error", retryable: true },
  },
];
