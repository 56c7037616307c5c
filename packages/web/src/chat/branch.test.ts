import { expect, test } from "vitest";
import { emptyBranch, ended, forked, placed, withNewest, withOlder } from "./branch.ts";
import { chain, messageAt } from "./fixture.ts";

const page = (items = chain(1, 4), before: string | null = null) => ({
  items,
  before_cursor: before,
  after_cursor: null,
});
const idsOf = (branch: { messages: readonly { id: string }[] } | null) =>
  branch?.messages.map(({ id }) => id);

test("a newer page joins what was read before it, and keeps the way to what is older", () => {
  const branch = withNewest(emptyBranch, page(chain(3, 6), "older"));
  const next = withNewest(branch, page(chain(5, 8), "not so old"));
  expect(idsOf(next)).toEqual(["m3", "m4", "m5", "m6", "m7", "m8"]);
  expect(next.before).toBe("older");
});

test("a page that does not meet what was read takes its place", () => {
  const branch = withNewest(emptyBranch, page(chain(1, 4)));
  expect(idsOf(withNewest(branch, page(chain(90, 92), "x")))).toEqual(["m90", "m91", "m92"]);
});

test("a page of another branch drops what is no longer on it", () => {
  const branch = withNewest(emptyBranch, page(chain(1, 4)));
  const other = [messageAt(1), messageAt(2), messageAt(5, { parent_id: "m2" })];
  expect(idsOf(withNewest(branch, page(other)))).toEqual(["m1", "m2", "m5"]);
});

test("older messages come before, none of them twice", () => {
  const branch = withNewest(emptyBranch, page(chain(3, 5), "x"));
  const all = withOlder(branch, page(chain(1, 3)));
  expect(idsOf(all)).toEqual(["m1", "m2", "m3", "m4", "m5"]);
  expect(all.before).toBeNull();
});

test("a message that goes on from the end is placed there, a known one where it is", () => {
  const branch = withNewest(emptyBranch, page(chain(1, 2)));
  expect(idsOf(placed(branch, messageAt(3)))).toEqual(["m1", "m2", "m3"]);
  const changed = placed(branch, messageAt(2, { content: "new" }));
  expect(changed?.messages[1]?.content).toBe("new");
});

test("where a message of another branch belongs is the server's to say", () => {
  const branch = withNewest(emptyBranch, page(chain(1, 4)));
  expect(placed(branch, messageAt(9, { parent_id: "m2" }))).toBeNull();
  expect(forked(branch, messageAt(9, { parent_id: "unknown" }))).toBeNull();
});

test("one's own sibling hides what followed the other", () => {
  const branch = withNewest(emptyBranch, page(chain(1, 4)));
  expect(idsOf(forked(branch, messageAt(9, { parent_id: "m1" })))).toEqual(["m1", "m9"]);
  expect(idsOf(forked(branch, messageAt(9, { parent_id: null })))).toEqual(["m9"]);
});

test("a reply that has ended stays so when an older view of it arrives late", () => {
  const branch = withNewest(emptyBranch, page(chain(1, 3)));
  const pending = messageAt(3, { status: "pending", content: "" });
  expect(placed(branch, pending)?.messages[2]?.content).toBe("text 3");
  expect(withNewest(branch, page([messageAt(1), messageAt(2), pending])).messages[2]?.status).toBe(
    "complete",
  );
});

test("the end of a turn touches a reply that is pending, and no other", () => {
  const branch = withNewest(
    emptyBranch,
    page([messageAt(1), messageAt(2), messageAt(3, { status: "pending" })]),
  );
  expect(ended(branch, "m3", { status: "failed" }).messages[2]?.status).toBe("failed");
  expect(ended(branch, "m1", { status: "failed" }).messages[0]?.status).toBe("complete");
});
