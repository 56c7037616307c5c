import { hash } from "node:crypto";
import { beforeEach, expect, test } from "vitest";
import type { Blobs } from "./blobs.ts";

export interface BlobsUnderTest {
  blobs: Blobs;
  /** The present time of the store. */
  now(): number;
  /** Lets `ms` pass, by a clock of the test or by waiting. */
  pass(ms: number): Promise<void>;
}

/** What every store of blobs must do; an adapter's own test is a call to this. */
export function blobsConformance(open: () => Promise<BlobsUnderTest>) {
  let world: BlobsUnderTest;
  let blobs: Blobs;
  beforeEach(async () => {
    world = await open();
    blobs = world.blobs;
  });
  const bytes = (text: string) => new TextEncoder().encode(text);
  const nameOf = (text: string) => hash("sha256", text, "hex");
  const textOf = async (name: string) => {
    const found = await blobs.get(name);
    return found && Buffer.from(found).toString();
  };
  async function stored(before: number): Promise<string[]> {
    const names: string[] = [];
    for await (const name of blobs.storedBefore(before)) names.push(name);
    return names.sort();
  }

  test("bytes are kept under the SHA-256 of their content, empty ones and large ones too", async () => {
    for (const text of ["a picture", "", "x".repeat(3_000_000)]) {
      expect(await blobs.put(bytes(text))).toBe(nameOf(text));
      expect(await textOf(nameOf(text))).toBe(text);
    }
  });

  test("a name that nothing has, or that is no name, reads as none", async () => {
    await blobs.put(bytes("here"));
    const names = ["", "..", "../../etc/passwd", nameOf("here").toUpperCase(), `${nameOf("here")}/`];
    for (const name of [nameOf("not here"), ...names]) {
      expect(await blobs.get(name)).toBeNull();
      expect(await blobs.removeStoredBefore(name, world.now() + 60_000)).toBe(false);
    }
    expect(await textOf(nameOf("here"))).toBe("here");
  });

  test("the same bytes from many sides at once are one blob", async () => {
    const names = await Promise.all(Array.from({ length: 20 }, () => blobs.put(bytes("same"))));
    expect(new Set(names)).toEqual(new Set([nameOf("same")]));
    await world.pass(10);
    expect(await stored(world.now())).toEqual([nameOf("same")]);
  });

  test("what was last stored before a time is listed and can be removed, what was put again cannot", async () => {
    await blobs.put(bytes("old"));
    await blobs.put(bytes("again"));
    await world.pass(10_000);
    await blobs.put(bytes("again"));
    const between = world.now() - 5_000;
    expect(await stored(between)).toEqual([nameOf("old")]);
    expect(await blobs.removeStoredBefore(nameOf("again"), between)).toBe(false);
    expect(await blobs.removeStoredBefore(nameOf("old"), between)).toBe(true);
    expect(await blobs.removeStoredBefore(nameOf("old"), between)).toBe(false);
    expect([await textOf(nameOf("old")), await textOf(nameOf("again"))]).toEqual([null, "again"]);
  });

  test("of a put and a removal at the same time, the bytes that were put are there afterwards", async () => {
    for (let round = 0; round < 20; round++) {
      await blobs.put(bytes("wanted"));
      await world.pass(10_000);
      const between = world.now() - 5_000;
      await Promise.all([
        blobs.removeStoredBefore(nameOf("wanted"), between),
        blobs.put(bytes("wanted")),
        blobs.removeStoredBefore(nameOf("wanted"), between),
      ]);
      expect(await textOf(nameOf("wanted"))).toBe("wanted");
    }
  });
}
