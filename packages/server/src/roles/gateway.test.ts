import { connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../kit/clock.ts";
import { createGateway, type Gateway } from "./gateway.ts";

/** Of what a client is sent that reads nothing: more than any system keeps for it. */
const MUCH = Buffer.alloc(64 * 1024 * 1024, "x");
/** Of no concern to a test, however slow the machine. */
const LONG_MS = 600_000;
const patient = { headMs: LONG_MS, requestMs: LONG_MS, stuckMs: LONG_MS, idleMs: LONG_MS, lookEveryMs: 20 };

const muchEnded = Promise.withResolvers<string>();
const gateways: Gateway[] = [];

/** A gateway that waits long for all but what a test is about; gives its port. */
async function open(timeouts: Partial<typeof patient>): Promise<number> {
  const gateway = createGateway({
    clock: systemClock,
    host: "127.0.0.1",
    port: 0,
    timeouts: { ...patient, ...timeouts },
    trustedProxies: [],
    allowedOrigins: [],
    surfaces: [
      (app) => {
        app.get("/little", () => ({ ok: true }));
        app.get("/much", (_, reply) => {
          const { raw } = reply;
          raw.once("close", () => muchEnded.resolve(raw.writableFinished ? "taken" : "broken off"));
          return reply.send(MUCH);
        });
        app.post("/echo", (request) => ({ got: request.body }));
      },
    ],
    upgrades: { isMeant: () => false, upgrade: () => {} },
    onProblem: () => {},
    onAnswered: () => {},
  });
  gateways.push(gateway);
  return (await gateway.listen()).port;
}
afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway.close(0);
});

/** A client by hand: what it has read, and the end of its connection. */
function dial(port: number, isReading = true) {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.on("error", () => {});
  if (isReading) {
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
  }
  return { socket, text: () => text, closed: new Promise((resolve) => socket.once("close", resolve)) };
}

/** Writes one byte after another until the other side has had enough. */
function trickle(socket: ReturnType<typeof dial>["socket"], bytes: string): void {
  let at = 0;
  const timer = setInterval(() => socket.write(bytes[at++ % bytes.length] as string), 20);
  socket.once("close", () => clearInterval(timer));
}

test("a connection that says nothing is told 408 and closed", async () => {
  const { closed, text } = dial(await open({ headMs: 200 }));
  await closed;
  expect(text()).toMatch(/^HTTP\/1\.1 408 .*"code":"request_timeout"/s);
});

test("a head that comes byte by byte is not waited for", async () => {
  const { socket, closed, text } = dial(await open({ headMs: 200 }));
  socket.write("GET /little HTTP/1.1\r\nhost: x\r\nx-slow: ");
  trickle(socket, "y");
  await closed;
  expect(text()).toMatch(/^HTTP\/1\.1 408 /);
});

test("a body that comes byte by byte is not waited for", async () => {
  const { socket, closed, text } = dial(await open({ headMs: 400, requestMs: 400 }));
  socket.write(
    "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 90000\r\n\r\n",
  );
  trickle(socket, " ");
  await closed;
  expect(text()).toMatch(/^HTTP\/1\.1 408 /);
});

test("a connection that asks for nothing more is closed", async () => {
  const { socket, closed, text } = dial(await open({ idleMs: 300 }));
  socket.write("GET /little HTTP/1.1\r\nhost: x\r\n\r\n");
  await closed;
  expect(text()).toMatch(/^HTTP\/1\.1 200 .*\{"ok":true\}$/s);
});

test("an answer that nobody reads is not kept for ever", async () => {
  const { socket } = dial(await open({ stuckMs: 600 }), false);
  socket.write("GET /much HTTP/1.1\r\nhost: x\r\n\r\n");
  expect(await muchEnded.promise).toBe("broken off");
  socket.destroy();
});
