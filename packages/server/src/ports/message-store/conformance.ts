import { describe } from "vitest";
import { acceptingTests } from "./conformance/accepting.ts";
import { conversationTests } from "./conformance/conversations.ts";
import { crashTests } from "./conformance/crash.ts";
import { killTests } from "./conformance/kills.ts";
import { type FreshPlace, usePlace } from "./conformance/place.ts";
import { treeTests } from "./conformance/tree.ts";
import { turnTests } from "./conformance/turns.ts";

/**
 * What every message store must do, by no technology's rules but the interface's. `freshPlace` gives
 * the settings of an empty store; the suite opens, closes and reopens it, and kills a process that
 * writes to it.
 */
export function describeMessageStore(name: string, freshPlace: FreshPlace): void {
  describe(name, () => {
    const place = usePlace(freshPlace);
    describe("conversations", () => conversationTests(place));
    describe("sends and regenerations", () => acceptingTests(place));
    describe("the tree", () => treeTests(place));
    describe("turns", () => turnTests(place));
    describe("kills between steps", () => killTests(freshPlace));
    describe("kill -9", () => crashTests(freshPlace));
  });
}
