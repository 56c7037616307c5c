import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { PubSub } from "./pubsub.ts";

/**
 * What every pub/sub must do; an adapter's own test is a call to this. `open` gives two ends of one
 * system (the same object, where there is only one process).
 */
export function pubsubConformance(open: () => Promise<{ here: PubSub; there: PubSub }>) {
  let here: PubSub;
  let there: PubSub;
  beforeEach(async () => {
    ({ here, there } = await open());
  });
  afterEach(() => Promise.all([here.close(), there.close()]));

  const collect = (end: PubSub, channel: string) => {
    const got: unknown[] = [];
    const stop = end.subscribe(channel, (payload) => got.push(payload));
    return { got, stop };
  };

  test("every listener of a channel gets each payload in order, others get none", async () => {
    const [first, second, other] = [collect(here, "c"), collect(there, "c"), collect(here, "d")];
    const sent = Array.from({ length: 50 }, (_, n) => ({ n }));
    for (const payload of sent) here.publish("c", payload);
    await vi.waitFor(() => expect([first.got, second.got]).toEqual([sent, sent]));
    expect(other.got).toEqual([]);
  });

  test("what was published before a subscription never arrives", async () => {
    here.publish("c", "early");
    const { got } = collect(there, "c");
    here.publish("c", "late");
    await vi.waitFor(() => expect(got).toEqual(["late"]));
  });

  test("an ended subscription hears nothing more; ending it twice is no error", async () => {
    const [ended, other] = [collect(there, "c"), collect(there, "c")];
    ended.stop();
    ended.stop();
    here.publish("c", 1);
    await vi.waitFor(() => expect(other.got).toEqual([1]));
    expect(ended.got).toEqual([]);
  });

  test("a listener that throws harms neither the others nor the publisher", async () => {
    there.subscribe("c", () => {
      throw new Error("bad listener");
    });
    const { got } = collect(there, "c");
    here.publish("c", 1);
    here.publish("c", 2);
    await vi.waitFor(() => expect(got).toEqual([1, 2]));
  });

  test("a payload of 64 KiB arrives whole", async () => {
    const { got } = collect(there, "c");
    const payload = { text: "x".repeat(65_000), more: [null, true, 1.5] };
    here.publish("c", payload);
    await vi.waitFor(() => expect(got).toEqual([payload]));
  });

  test("after close nothing arrives and nothing throws", async () => {
    const { got, stop } = collect(here, "c");
    await here.close();
    here.publish("c", 1);
    stop();
    expect(got).toEqual([]);
  });
}
