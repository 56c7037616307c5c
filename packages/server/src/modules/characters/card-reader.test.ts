import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { afterEach, expect, test } from "vitest";
import { cardPng } from "../../../test/cards/make-png.ts";
import { manualClock } from "../../kit/clock.ts";
import { type CardReader, createCardReader } from "./card-reader.ts";
import { problemOf } from "./characters.fixture.ts";

const TURNS = 1_000;
const clock = manualClock();
const large = () => {
  const greetings = Array(15).fill("x".repeat(1_000_000));
  const card = { spec: "chara_card_v2", data: { name: "Mira", alternate_greetings: greetings } };
  return { file: Buffer.from(JSON.stringify(card)), type: "application/json" };
};

let reader: CardReader | undefined;
afterEach(() => reader?.close());
const open = (start?: () => Worker) => {
  reader = createCardReader({ clock, ...(start && { start }) });
  return reader;
};

test("a large card is read by the thread that ships, and given away", async () => {
  const sent = large();
  const { card, picture } = await open().readCard(sent);
  expect([card.data.name, picture]).toEqual(["Mira", null]);
  expect(sent.file.length).toBe(0);
});

test("a picture's card comes with its picture; what is wrong comes as the same problem as ever", async () => {
  const { readCard: read } = open();
  const { card, picture } = await read({
    file: cardPng({ name: "Mira", description: "" }),
    type: "image/png",
  });
  const name = Buffer.from(picture?.whole ?? []).toString("latin1", 1, 4);
  expect([card.data.name, name, picture?.small]).toEqual(["Mira", "PNG", null]);
  const bad = { spec: "chara_card_v2", data: { name: " ", extensions: { x: "x".repeat(100_000) } } };
  for (const file of [cardPng(bad), cardPng({ ...bad, data: {} })]) {
    const refusal = await problemOf(read({ file, type: "image/png" }));
    expect(refusal).toMatchObject({ code: "invalid_card", status: 422, paths: ["data.name"] });
  }
});

test("a small one is read here, and starts no thread", async () => {
  const { readCard: read } = open(() => {
    throw new Error("a thread was started");
  });
  const file = Buffer.from('{"name":"Mira","description":""}');
  expect((await read({ file, type: "application/json" })).card.data.name).toBe("Mira");
});

test("while a card of 15 MiB is parsed, the event loop goes on turning", async () => {
  // The thread stands still in the middle of its work until the loop has turned so often.
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const program = new URL("./card-worker.ts", import.meta.url).href;
  const { readCard: read } = open(
    () =>
      new Worker(
        `const { workerData } = require("node:worker_threads");
        const parse = JSON.parse;
        JSON.parse = (text) => {
          Atomics.add(workerData.gate, 0, 1);
          Atomics.notify(workerData.gate, 0);
          Atomics.wait(workerData.gate, 0, 1);
          return parse(text);
        };
        void import(workerData.program);`,
        { eval: true, workerData: { gate, program }, execArgv: ["-C", "parley-source"] },
      ),
  );
  let isRead = false;
  const reading = read(large()).finally(() => {
    isRead = true;
  });
  while (Atomics.load(gate, 0) === 0 && !isRead) await turn();
  for (let turns = 0; turns < TURNS; turns++) await turn();
  expect(isRead).toBe(false);
  Atomics.store(gate, 0, 2);
  Atomics.notify(gate, 0);
  expect((await reading).card.data.name).toBe("Mira");
});

test.each([
  ["has no memory left", "for (const all = []; ; ) all.push(new Array(1e5).fill(1.5));", "invalid_card"],
  ["ends", "process.exit(1);", null],
])("a file at which the thread %s is answered, and the next one is read", async (_, does, code) => {
  let started = 0;
  const { readCard: read } = open(() => {
    const program = `require("node:worker_threads").parentPort.on("message", () => { ${does} });`;
    const answer = `const { parentPort } = require("node:worker_threads");
      parentPort.on("message", () => parentPort.postMessage({ read: "the next" }));`;
    const resourceLimits = { maxOldGenerationSizeMb: 32 };
    return new Worker(started++ === 0 ? program : answer, { eval: true, env: {}, resourceLimits });
  });
  const error = await read(large()).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error instanceof Problem ? error.code : null).toBe(code);
  expect(error).toBeInstanceOf(Error);
  expect(await read(large())).toBe("the next");
});

test("a file that takes for ever, and one too many, are told to come again; so are those of a stop", async () => {
  const { readCard: read, close } = open(
    () =>
      new Worker(`require("node:worker_threads").parentPort.on("message", () => { for (;;); });`, {
        eval: true,
      }),
  );
  const first = problemOf(read(large()));
  const waiting = Array.from({ length: 4 }, () => problemOf(read(large())));
  expect(await problemOf(read(large()))).toMatchObject({ code: "overloaded", status: 503 });
  await clock.advance(30_000);
  expect(await first).toMatchObject({ code: "overloaded", detail: expect.stringMatching(/too long/) });
  await close();
  expect((await Promise.all(waiting)).map(({ code }) => code)).toEqual(Array(4).fill("draining"));
});
