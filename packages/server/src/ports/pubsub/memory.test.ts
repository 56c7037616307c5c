import { expect, test } from "vitest";
import { pubsubConformance } from "./conformance.ts";
import { createMemoryPubSub } from "./memory.ts";

pubsubConformance(async () => {
  const pubsub = createMemoryPubSub();
  return { here: pubsub, there: pubsub };
});

test("in one process a listener runs before publish returns", () => {
  const pubsub = createMemoryPubSub();
  const got: unknown[] = [];
  pubsub.subscribe("c", (payload) => got.push(payload));
  pubsub.publish("c", 1);
  expect(got).toEqual([1]);
});

test("one that subscribes or ends during a publish disturbs no other", () => {
  const pubsub = createMemoryPubSub();
  const got: string[] = [];
  const endings: (() => void)[] = [];
  pubsub.subscribe("c", () => {
    got.push("first");
    endings[0]?.();
    pubsub.subscribe("c", () => got.push("new"));
  });
  endings.push(pubsub.subscribe("c", () => got.push("ended")));
  pubsub.subscribe("c", () => got.push("last"));
  pubsub.publish("c", 1);
  expect(got).toEqual(["first", "last"]);
});

test("the error of a listener is reported", () => {
  const errors: unknown[] = [];
  const pubsub = createMemoryPubSub({ onError: (error) => errors.push(error) });
  const error = new Error("bad listener");
  pubsub.subscribe("c", () => {
    throw error;
  });
  pubsub.publish("c", 1);
  expect(errors).toEqual([error]);
});
