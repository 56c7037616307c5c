import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { MessageStore } from "../message-store.ts";
import type { Place } from "./place.ts";
import {
  answer,
  claimOf,
  everything,
  makeConversation,
  NOON,
  note,
  outcome,
  range,
  regeneration,
  send,
  sent,
  USER,
} from "./wishes.ts";

/** The tree of a conversation in its simplest form: every rule as the contract says it. */
function createModel() {
  const places: ModelPlace[] = [];
  let choice: { head: ModelPlace; at: number } | null = null;
  const newest = () => places.at(-1);
  const head = () => (choice?.at === places.length ? choice.head : newest());
  const pathOf = (leaf: ModelPlace | undefined): ModelPlace[] =>
    leaf ? [...pathOf(leaf.parent ?? undefined), leaf] : [];
  return {
    places,
    head,
    pathOf,
    add(place: Omit<ModelPlace, "seq">): ModelPlace {
      const added = { ...place, seq: places.length + 1 };
      places.push(added);
      return added;
    },
    childrenOf: (parent: ModelPlace | null) => places.filter((place) => place.parent === parent),
    chooseHead(below: ModelPlace) {
      choice = {
        head: places.findLast((place) => pathOf(place).includes(below)) ?? below,
        at: places.length,
      };
    },
    oldestOpen: () => places.find((place) => place.status === "pending"),
  };
}

interface ModelPlace {
  seq: number;
  id: string;
  parent: ModelPlace | null;
  role: "user" | "assistant";
  status: "pending" | "complete" | "incomplete" | "failed";
  content: string;
  tokens: number;
  turnId: string | null;
  isDeleted: boolean;
}

type Model = ReturnType<typeof createModel>;

const pick = <T>(list: readonly T[], n: number): T | undefined => list[n % Math.max(1, list.length)];

const operation = fc.record({
  kind: fc.constantFrom("send", "send", "note", "answer", "answer", "regenerate", "delete", "head", "branch"),
  on: fc.nat(1_000),
  text: fc.string({ minLength: 1, maxLength: 12 }),
});
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** Does one operation on both; the model says what must come of it. */
async function apply(store: MessageStore, id: string, model: Model, { kind, on, text }: Operation) {
  const named = pick(model.places, on);
  const add = (place: Partial<ModelPlace> & Pick<ModelPlace, "id" | "parent" | "role">) =>
    model.add({ status: "complete", content: "", tokens: 0, turnId: null, isDeleted: false, ...place });
  if (kind === "send" || kind === "note" || kind === "branch") {
    const parent = kind !== "branch" ? model.head() : on % 5 === 0 ? undefined : named;
    const wish = (kind === "send" ? send : note)(id, text, {
      ...(kind === "branch" && { parentId: parent?.id ?? null }),
    });
    const accepted = await store.accept({ ...wish, openTurnsMax: 1_000 });
    expect(accepted).toMatchObject({ kind: "accepted", message: { seq: model.places.length + 1 } });
    const { id: messageId, tokenCount } = wish.message;
    const message = add({
      id: messageId,
      parent: parent ?? null,
      role: "user",
      content: text,
      tokens: tokenCount,
    });
    if (wish.turn) {
      const { id: turnId, replyId } = wish.turn;
      add({ id: replyId, parent: message, role: "assistant", status: "pending", turnId });
    }
    return;
  }
  if (kind === "answer") {
    const open = model.oldestOpen();
    if (!open?.turnId) return;
    const claim = await store.claim(claimOf(open.turnId));
    const status = (["complete", "incomplete", "failed"] as const)[on % 3] ?? "failed";
    const content = status === "failed" ? "" : text;
    const ended = outcome(content, {
      replyStatus: status,
      status: status === "complete" ? "completed" : "failed",
    });
    await store.complete(open.turnId, claim?.epoch as number, ended);
    Object.assign(open, { status, content, tokens: ended.tokenCount });
    return;
  }
  if (!named) return;
  if (kind === "regenerate") {
    const wish = regeneration(named.id);
    const result = await store.acceptRegeneration({ ...wish, openTurnsMax: 1_000 });
    const answered = named.role === "user" ? named : named.parent;
    const isOpen =
      named.role === "user"
        ? model.childrenOf(named).some(({ status }) => status === "pending")
        : named.status === "pending";
    const isGone = named.isDeleted || answered?.isDeleted;
    const expected = isOpen ? "in_flight" : isGone ? "not_regenerable" : "accepted";
    expect(result.kind).toBe(expected);
    if (expected !== "accepted") return;
    add({
      id: wish.turn.replyId,
      parent: answered,
      role: "assistant",
      status: "pending",
      turnId: wish.turn.id,
    });
  }
  if (kind === "delete") {
    const isOpen =
      named.status === "pending" ||
      (named.role === "user" && model.childrenOf(named).some(({ status }) => status === "pending"));
    expect(await store.deleteMessage(named.id, USER, NOON)).toBe(isOpen ? "in_flight" : "deleted");
    if (!isOpen) Object.assign(named, { isDeleted: true, content: "" });
  }
  if (kind === "head") {
    model.chooseHead(named);
    const changed = await store.updateConversation(id, USER, { headId: named.id }, NOON);
    expect(changed).toMatchObject({ head_id: model.head()?.id });
  }
}

/** Compares everything that a reader can ask with what the model says. */
async function compare(store: MessageStore, id: string, model: Model) {
  const view = (place: ModelPlace) => {
    const siblings = model.childrenOf(place.parent);
    return {
      id: place.id,
      seq: place.seq,
      parent_id: place.parent?.id ?? null,
      content: place.content,
      status: place.status,
      siblings: { index: siblings.indexOf(place), count: siblings.length },
    };
  };
  const shown = (items: readonly ReturnType<typeof view>[]) =>
    items.map(({ id, seq, parent_id, content, status, siblings }) => ({
      id,
      seq,
      parent_id,
      content,
      status,
      siblings,
    }));
  const conversation = await store.conversation(id, USER);
  expect(conversation?.head_id).toBe(model.head()?.id ?? null);
  expect(conversation?.message_count).toBe(model.places.length);
  expect(await store.activeTurnId(id)).toBe(model.oldestOpen()?.turnId ?? null);

  for (const branch of ["head", "all"] as const) {
    const all = branch === "all" ? model.places : model.pathOf(model.head());
    const check = async (beforeSeq: number | null, afterSeq: number | null, limit: number) => {
      const page = await store.page({ conversationId: id, branch, beforeSeq, afterSeq, limit });
      const inside = all.filter(({ seq }) => seq < (beforeSeq ?? Infinity) && seq > (afterSeq ?? 0));
      const expected = afterSeq !== null ? inside.slice(0, limit) : inside.slice(-limit);
      const where = `${branch} before ${beforeSeq} after ${afterSeq} limit ${limit}`;
      expect(shown(page.items), where).toEqual(expected.map(view));
      if (expected.length === 0) return;
      expect(page.hasBefore, where).toBe(expected[0] !== all[0]);
      expect(page.hasAfter, where).toBe(expected.at(-1) !== all.at(-1));
    };
    await check(null, null, 200);
    await check(null, null, 3);
    for (const bound of range(model.places.length + 3)) {
      await check(bound, null, (bound % 4) + 1);
      await check(null, bound, (bound % 4) + 1);
    }
  }
  for (const leaf of model.places.filter(({ seq }) => seq % 3 === 0)) {
    for (const tokensMax of [0, 7, 1_000]) {
      const inUse = model
        .pathOf(leaf)
        .filter(({ status, isDeleted }) => !isDeleted && (status === "complete" || status === "incomplete"));
      const expected: ModelPlace[] = [];
      let left = tokensMax;
      for (const place of inUse.toReversed()) {
        left -= place.tokens + 1;
        if (left < 0) break;
        expected.unshift(place);
      }
      const query = { conversationId: id, leafSeq: leaf.seq, tokensMax, messageOverheadTokens: 1 };
      expect(await store.context(query), `context of ${leaf.seq} within ${tokensMax}`).toEqual({
        messages: expected.map(({ seq, role, content, tokens }) => ({
          seq,
          role,
          content,
          tokenCount: tokens,
        })),
        isWhole: expected.length === inUse.length,
      });
    }
  }
}

/** That the tree, its pages and its contexts are what the contract says, whatever was done before. */
export function treeTests(place: Place) {
  test("random sends, notes, branches, regenerations, deletions and head choices agree with a simple model", async () => {
    const run = fc.asyncProperty(fc.array(operation, { maxLength: 30 }), async (operations) => {
      const model = createModel();
      const id = await makeConversation(place.store);
      for (const one of operations) await apply(place.store, id, model, one);
      await compare(place.store, id, model);
    });
    await fc.assert(run, { numRuns: 40 });
  });

  test("a page costs the same rows of a long conversation: the middle is right on both branches", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    await Promise.all(range(400).map((n) => store.accept(note(id, `${n + 1}`))));
    const [edited] = (
      await store.page({ conversationId: id, branch: "all", beforeSeq: 101, afterSeq: 99, limit: 1 })
    ).items;
    const edit = await store.accept(note(id, "edit", { parentId: edited?.parent_id as string }));
    expect(edit).toMatchObject({ message: { seq: 401, siblings: { index: 1, count: 2 } } });
    const seqs = async (branch: "head" | "all", beforeSeq: number | null, afterSeq: number | null) => {
      const page = await store.page({ conversationId: id, branch, beforeSeq, afterSeq, limit: 3 });
      return [...page.items.map(({ seq }) => seq), page.hasBefore, page.hasAfter];
    };
    expect(await seqs("head", null, null)).toEqual([98, 99, 401, true, false]);
    expect(await seqs("head", 300, null)).toEqual([97, 98, 99, true, true]);
    expect(await seqs("head", null, 98)).toEqual([99, 401, true, false]);
    expect(await seqs("head", null, 250)).toEqual([401, true, false]);
    expect(await seqs("all", 300, null)).toEqual([297, 298, 299, true, true]);
    expect(await seqs("all", null, 399)).toEqual([400, 401, true, false]);
    expect(await seqs("all", null, 401)).toEqual([true, false]);
    expect(await seqs("head", 1, null)).toEqual([false, true]);
  });

  test("a context stops at the first message that does not fit, and says whether it is whole", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    for (const n of range(300)) await store.accept(note(id, `${n}`, { message: { tokenCount: 10 } }));
    const context = async (tokensMax: number) => {
      const query = { conversationId: id, leafSeq: 300, tokensMax, messageOverheadTokens: 4 };
      const { messages, isWhole } = await store.context(query);
      return [messages.length, messages[0]?.seq, messages.at(-1)?.seq, isWhole];
    };
    expect(await context(14 * 150)).toEqual([150, 151, 300, false]);
    expect(await context(14 * 150 + 13)).toEqual([150, 151, 300, false]);
    expect(await context(14 * 300)).toEqual([300, 1, 300, true]);
    expect(await context(13)).toEqual([0, undefined, undefined, false]);
  });

  test("a turn's context ends at the message it answers, whatever was stored after", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const first = await sent(store, send(id, "one"));
    await answer(store, first.turn.id, "reply one");
    const second = await sent(store, send(id, "two"));
    await sent(store, send(id, "three"));
    const query = {
      conversationId: id,
      leafSeq: second.message.seq,
      tokensMax: 1_000,
      messageOverheadTokens: 0,
    };
    expect((await store.context(query)).messages.map(({ content }) => content)).toEqual([
      "one",
      "reply one",
      "two",
    ]);
    expect(await everything(store, id)).toHaveLength(6);
    expect((await store.message(randomUUID(), USER)) ?? "missing").toBe("missing");
  });
}
