import { expect, test } from "vitest";
import { manualClock } from "./clock.ts";
import { createHealth } from "./health.ts";

/** Two stores, of which a test says whether they take writes. */
function rig() {
  const clock = manualClock();
  const refusals = new Map<string, Error>();
  const probes = { accounts: 0, messages: 0 };
  const changes: [name: string, isOk: boolean, refusal: unknown][] = [];
  const dependency = (name: keyof typeof probes) => ({
    name,
    async probe() {
      probes[name]++;
      const refusal = refusals.get(name);
      if (refusal) throw refusal;
    },
  });
  const health = createHealth({
    clock,
    dependencies: [dependency("accounts"), dependency("messages")],
    onChange: (...change) => void changes.push(change),
  });
  return { clock, health, refusals, probes, changes };
}

const full = new Error("the disk is full");

test("the first refused write turns its store red at once, and no other (I18)", () => {
  const { health } = rig();
  expect(health.checks()).toEqual({ accounts: "ok", messages: "ok" });
  health.report("messages", full);
  expect(health.checks()).toEqual({ accounts: "ok", messages: "failing" });
});

test("with no traffic at all it stays red while the store refuses, and is green within 5 s of recovery (I18)", async () => {
  const { clock, health, refusals } = rig();
  refusals.set("messages", full);
  health.report("messages", full);
  await clock.advance(60_000);
  expect(health.checks().messages).toBe("failing");
  refusals.clear();
  await clock.advance(5_000);
  expect(health.checks()).toEqual({ accounts: "ok", messages: "ok" });
});

test("a write that is stored turns it green before any probe", () => {
  const { health } = rig();
  health.report("messages", full);
  health.report("messages", null);
  expect(health.checks().messages).toBe("ok");
});

test("a healthy store is not written to; a red one is tried once a second, never twice at a time", async () => {
  const { clock, health, refusals, probes } = rig();
  await clock.advance(60_000);
  expect(probes).toEqual({ accounts: 0, messages: 0 });
  refusals.set("messages", full);
  health.report("messages", full);
  await clock.advance(10_000);
  expect(probes).toEqual({ accounts: 0, messages: 10 });
});

test("each outage is told of once, with its reason, and so is its end", async () => {
  const { clock, health, refusals, changes } = rig();
  refusals.set("messages", full);
  for (let n = 0; n < 3; n++) health.report("messages", full);
  await clock.advance(3_000);
  refusals.clear();
  await clock.advance(3_000);
  expect(changes).toEqual([
    ["messages", false, full],
    ["messages", true, null],
  ]);
});

test("measuring asks every store, tells of what it finds, and asks once a second at most", async () => {
  const { clock, health, refusals, probes } = rig();
  refusals.set("accounts", full);
  const [measured] = await Promise.all([health.measureAll(), health.measureAll()]);
  expect(measured.map(({ name, status }) => [name, status])).toEqual([
    ["accounts", "failing"],
    ["messages", "ok"],
  ]);
  expect(health.checks().accounts).toBe("failing");
  expect(probes).toEqual({ accounts: 1, messages: 1 });
  health.stop();
  await clock.advance(1_000);
  await health.measureAll();
  expect(probes).toEqual({ accounts: 2, messages: 2 });
});

test("a refused write is followed up within 5 s, also right after a measurement that found all well (I18)", async () => {
  const { clock, health, refusals, probes } = rig();
  health.suspect();
  await clock.advance(0);
  expect(probes).toEqual({ accounts: 1, messages: 1 });
  refusals.set("accounts", full);
  for (let n = 0; n < 3; n++) health.suspect();
  await clock.advance(5_000);
  expect(health.checks()).toEqual({ accounts: "failing", messages: "ok" });
  expect(probes.messages).toBe(2);
});
