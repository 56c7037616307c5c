import { mkdtemp, readdir, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { manualClock } from "../../kit/clock.ts";
import { StartError } from "../../kit/start-error.ts";
import { blobsConformance } from "./conformance.ts";
import { createFileBlobs } from "./file.ts";

type DiskCall = "rename" | "rm" | "utimes";
/** What the disk refuses just now, as one that was made read-only. */
const disk = vi.hoisted(() => ({ refuses: [] as DiskCall[] }));
vi.mock("node:fs/promises", async (importOriginal) => {
  const real = await importOriginal<typeof import("node:fs/promises")>();
  const refusable =
    <A extends unknown[], R>(name: DiskCall, call: (...args: A) => Promise<R>) =>
    async (...args: A) => {
      if (disk.refuses.includes(name)) throw Object.assign(new Error(name), { code: "EROFS" });
      return call(...args);
    };
  return {
    ...real,
    rename: refusable("rename", real.rename),
    rm: refusable("rm", real.rm),
    utimes: refusable("utimes", real.utimes),
  };
});

const newFolder = async () => join(await mkdtemp(join(tmpdir(), "parley-blobs-")), "blobs");

blobsConformance(async () => {
  const clock = manualClock();
  return {
    blobs: await createFileBlobs({ folder: await newFolder(), clock }),
    now: clock.now,
    pass: async (ms) => clock.jump(ms),
  };
});

test("a start removes what a kill left half written, and keeps what was stored", async () => {
  const folder = await newFolder();
  const open = () => createFileBlobs({ folder, clock: manualClock() });
  const name = await (await open()).put(new Uint8Array([1, 2, 3]));
  await writeFile(join(folder, "drafts", "1"), "half");
  const again = await open();
  expect(await readdir(join(folder, "drafts"))).toEqual([]);
  expect(await again.get(name)).toEqual(Buffer.from([1, 2, 3]));
});

test("a file in the place of the folder refuses the start in one sentence", async () => {
  const folder = await newFolder();
  await writeFile(folder, "");
  await expect(createFileBlobs({ folder, clock: manualClock() })).rejects.toThrow(
    new StartError(
      `The pictures cannot be kept in ${folder} (it is no folder); move what has that name away, or let this user write there.`,
    ),
  );
});

test("nobody else on the machine can read a blob", async () => {
  const folder = await newFolder();
  const blobs = await createFileBlobs({ folder, clock: manualClock() });
  const name = await blobs.put(new Uint8Array([1]));
  const modes = await Promise.all(
    [folder, join(folder, name.slice(0, 2)), join(folder, name.slice(0, 2), name)].map(
      async (path) => (await stat(path)).mode & 0o077,
    ),
  );
  expect(modes).toEqual([0, 0, 0]);
});

test("a disk that refuses is storage_unavailable for new and known bytes, and leaves no draft", async () => {
  const folder = await newFolder();
  const blobs = await createFileBlobs({ folder, clock: manualClock() });
  const known = new Uint8Array([1]);
  await blobs.put(known);
  const refusal = { code: "storage_unavailable", retryAfterS: 1 };
  disk.refuses = ["rename"];
  await expect(blobs.put(new Uint8Array([2]))).rejects.toMatchObject(refusal);
  expect(await readdir(join(folder, "drafts"))).toEqual([]);
  disk.refuses = ["utimes"];
  await expect(blobs.put(known)).rejects.toMatchObject(refusal);
  disk.refuses = ["rename", "rm"];
  await expect(blobs.put(new Uint8Array([3]))).rejects.toMatchObject(refusal);
  disk.refuses = [];
  expect(await blobs.get(await blobs.put(known))).toEqual(Buffer.from(known));
});
