import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, expect, test } from "vitest";
import { everything, makeConversation, note, send, sent } from "./conformance/wishes.ts";
import { describeMessageStore } from "./conformance.ts";
import { openMessageStore } from "./index.ts";

const folders: string[] = [];
const freshFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), "parley-messages-"));
  folders.push(folder);
  return folder;
};
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

describeMessageStore("sqlite", () => ({ dataDir: freshFolder() }));
describeMessageStore("sqlite that commits each step", () => ({
  dataDir: freshFolder(),
  commitEachStep: true,
}));

test("while the disk refuses, writes are storage_unavailable, reads go on, and the next write tries again", async () => {
  const dataDir = freshFolder();
  const outcomes: string[] = [];
  const onOutcome = (refusal: Error | null) => void outcomes.push(refusal ? "refused" : "stored");
  const store = await openMessageStore({ dataDir, onOutcome });
  const id = await makeConversation(store);
  await sent(store, send(id, "Before"));
  const blocker = new DatabaseSync(join(dataDir, "messages.db"), { timeout: 0 });
  blocker.exec("BEGIN IMMEDIATE");
  outcomes.length = 0;
  await expect(store.accept(note(id, "Refused"))).rejects.toMatchObject({ code: "storage_unavailable" });
  await expect(store.probe()).rejects.toMatchObject({ code: "storage_unavailable" });
  expect((await everything(store, id)).map(({ content }) => content)).toEqual(["Before", ""]);
  blocker.exec("ROLLBACK");
  blocker.close();
  expect((await store.accept(note(id, "After"))).kind).toBe("accepted");
  expect(outcomes).toEqual(["refused", "refused", "stored"]);
  expect((await everything(store, id)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  await store.close();
});

test("what was taken back with its commit is not remembered", async () => {
  const dataDir = freshFolder();
  let accepts = 0;
  const onStep = (name: string) => {
    if (name === "accept.reply" && ++accepts === 3) throw new Error("guilty");
  };
  const store = await openMessageStore({ dataDir, onStep });
  const id = await makeConversation(store);
  const claim = { owner: "a", leaseUntil: Number.MAX_SAFE_INTEGER };
  const wishes = ["1", "2", "3", "4"].map((text) => send(id, text, { claim }));
  const all = () => Promise.allSettled(wishes.map((wish) => store.accept(wish)));
  const settled = await all();
  expect(settled.filter(({ status }) => status === "rejected")).toHaveLength(1);
  const stored = await everything(store, id);
  expect(stored.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
  const turns = await Promise.all(wishes.map(({ turn }) => store.turnState(turn?.id as string, null)));
  await store.close();
  const again = await openMessageStore({ dataDir });
  expect(await everything(again, id)).toEqual(stored);
  const read = await Promise.all(wishes.map(({ turn }) => again.turnState(turn?.id as string, null)));
  expect(read).toEqual(turns);
  expect(read.filter((one) => one?.turn.status === "running")).toHaveLength(1);
  await again.close();
});

test("a send is one commit: no other reader ever sees a message without its reply", async () => {
  const dataDir = freshFolder();
  const onStep = (name: string) => {
    if (name === "accept.message") seen.push(count());
  };
  const seen: number[] = [];
  const store = await openMessageStore({ dataDir, onStep });
  const id = await makeConversation(store);
  const other = new DatabaseSync(join(dataDir, "messages.db"), { readOnly: true });
  const count = () => (other.prepare("SELECT count(*) AS n FROM messages").get() as { n: number }).n;
  await Promise.all([1, 2, 3].map((n) => sent(store, send(id, `${n}`))));
  expect(seen).toEqual([0, 0, 0]);
  expect(count()).toBe(6);
  other.close();
  await store.close();
});
