import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { manualClock } from "./clock.ts";
import { watchForStop } from "./shutdown.ts";

function watch() {
  const source = new EventEmitter();
  const clock = manualClock();
  const exits: number[] = [];
  const faults: unknown[] = [];
  const stop = watchForStop({
    source,
    clock,
    exit: (status) => void exits.push(status),
    onFault: (error) => void faults.push(error),
  });
  return { source, clock, exits, faults, stop };
}

test("a signal asks for a stop, and its echo within half a second is the same signal", async () => {
  const { source, clock, exits, stop } = watch();
  source.emit("SIGINT");
  await clock.advance(400);
  source.emit("SIGINT");
  expect(await stop.requested).toEqual({ kind: "signal", signal: "SIGINT" });
  expect(exits).toEqual([]);
});

test("a later second signal ends the process at once", async () => {
  const { source, clock, exits } = watch();
  source.emit("SIGTERM");
  await clock.advance(501);
  source.emit("SIGINT");
  expect(exits).toEqual([130]);
});

test("the kill of the launcher ends the process at once, so that a new one finds the folder free", () => {
  const { source, exits } = watch();
  source.emit("disconnect");
  expect(exits).toEqual([137]);
});

test("a fault of ours is reported and asks for a stop", async () => {
  const { source, faults, stop } = watch();
  const error = new Error("bug");
  source.emit("unhandledRejection", error);
  source.emit("uncaughtException", error);
  expect(await stop.requested).toEqual({ kind: "fault", error });
  expect(faults).toEqual([error, error]);
});

test("after close nothing is watched any more", () => {
  const { source, stop } = watch();
  stop.close();
  expect(source.eventNames()).toEqual([]);
});
