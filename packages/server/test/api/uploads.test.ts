import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../faults/until.ts";
import { type Server, startServer } from "../rig/server.ts";
import { manyAddresses, newPerson, type Person } from "./helpers.ts";

const FILE_BYTES = 16 * 1024 ** 2;

let server: Server;
let ann: Person;
let ben: Person;

beforeAll(async () => {
  server = await startServer({ env: manyAddresses });
  [ann, ben] = await Promise.all([newPerson(server), newPerson(server)]);
});
afterAll(() => server?.kill());

/** An upload that says how long it is, and stalls. */
function stall(person: Person): Socket {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  socket.write(
    [
      "POST /api/v2/characters/import HTTP/1.1",
      `host: ${hostname}:${port}`,
      `authorization: Bearer ${person.token}`,
      "content-type: application/json",
      `content-length: ${FILE_BYTES}`,
      "",
      `{"name":"`,
    ].join("\r\n"),
  );
  return socket;
}

test("what one sends at once is bounded before it is read; others, and small calls, go on", async () => {
  const description = "x".repeat(200_000);
  const make = (person: Person) => person.client.characters.create({ name: "Mira", description });
  const stalled: Socket[] = [];
  const isRefused = () =>
    make(ann).then(
      () => stalled.push(stall(ann)) === 0,
      (reason: { code: string }) => reason.code === "overloaded",
    );
  await until("no room for more", isRefused);
  expect(stalled.length).toBeLessThan(10);
  await ann.client.characters.create({ name: "Small" });
  await make(ben);
  for (const socket of stalled) socket.destroy();
  await until("room again", () => make(ann));
});
