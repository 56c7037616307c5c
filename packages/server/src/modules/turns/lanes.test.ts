import { expect, test } from "vitest";
import { createLanes, type LaneTurn } from "./lanes.ts";

const turn = (conversationId: string, turnId: string): LaneTurn => ({
  conversationId,
  turnId,
  characterId: "c",
});

function rig(runningMax: number) {
  const log: string[] = [];
  const ends = new Map<string, () => void>();
  const lanes = createLanes({
    runningMax,
    run: (t) => {
      log.push(t.turnId);
      return new Promise((resolve) => ends.set(t.turnId, resolve));
    },
  });
  const end = async (turnId: string) => {
    ends.get(turnId)?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { log, lanes, end };
}

test("turns of one conversation run one at a time in the order of acceptance", async () => {
  const { log, lanes, end } = rig(10);
  for (const id of ["a1", "a2", "a3"]) lanes.add(turn("a", id));
  lanes.add(turn("b", "b1"));
  expect(log).toEqual(["a1", "b1"]);
  await end("a1");
  expect(log).toEqual(["a1", "b1", "a2"]);
  await end("a2");
  await end("a3");
  await end("b1");
  await lanes.idle();
  expect(log).toEqual(["a1", "b1", "a2", "a3"]);
});

test("a turn added twice runs once", async () => {
  const { log, lanes, end } = rig(10);
  lanes.add(turn("a", "a1"));
  lanes.add(turn("a", "a1"));
  await end("a1");
  expect(log).toEqual(["a1"]);
});

test("no more than the limit run at once; the rest follow in order", async () => {
  const { log, lanes, end } = rig(2);
  for (const id of ["a", "b", "c", "d"]) lanes.add(turn(id, id));
  expect(log).toEqual(["a", "b"]);
  await end("b");
  expect(log).toEqual(["a", "b", "c"]);
  await end("a");
  expect(log).toEqual(["a", "b", "c", "d"]);
});

test("a turn taken out of its lane never runs, and those behind it move up", async () => {
  const { log, lanes, end } = rig(10);
  for (const id of ["a1", "a2", "a3"]) lanes.add(turn("a", id));
  lanes.remove(turn("a", "a2"));
  await end("a1");
  expect(log).toEqual(["a1", "a3"]);
  expect(lanes.has("a2")).toBe(false);
});

test("a paused engine begins nothing more and is idle once what runs has ended", async () => {
  const { log, lanes, end } = rig(10);
  lanes.add(turn("a", "a1"));
  lanes.add(turn("a", "a2"));
  lanes.pause();
  const idle = lanes.idle();
  await end("a1");
  await idle;
  expect(log).toEqual(["a1"]);
  expect(lanes.waiting).toBe(1);
});

test("a turn that was taken out and came again while all places were taken runs once", async () => {
  const { log, lanes, end } = rig(2);
  for (const id of ["a", "b", "x"]) lanes.add(turn(id, id));
  lanes.remove(turn("x", "x"));
  lanes.add(turn("x", "x"));
  await end("a");
  await end("b");
  expect(log).toEqual(["a", "b", "x"]);
});
