import {
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { journey } from "../faults/journey.ts";
import { messagesPath, newConversation, outcome, post } from "../faults/scene.ts";
import { within } from "../faults/until.ts";
import { newDataDir, runParley } from "../rig/server.ts";
import { hasStrace, inject, requireStrace, underFaults } from "../rig/strace.ts";
import { answering } from "../rig/upstream.ts";

requireStrace("a start on files that the system does not let it read");
const traced = hasStrace ? journey : journey.skip;

const PAGE_BYTES = 4_096;
const DATABASES = ["messages.db", "parley.db"];

/** Overwrites bytes of a file. */
function harm(path: string, from: number, to: number): void {
  writeFileSync(path, readFileSync(path).fill(0xa5, from, to));
}

/** What befell a file, and what the start has to say. */
const harms: Record<string, { befall(path: string): void; says: RegExp }> = {
  "has lost its header": { befall: (path) => harm(path, 0, 100), says: /damaged.*parley restore BACKUP/ },
  "has lost its schema": {
    befall: (path) => harm(path, 100, PAGE_BYTES),
    says: /damaged.*parley restore BACKUP/,
  },
  "has lost pages in the middle, and its server was killed": {
    befall(path) {
      // What a kill leaves: only then a start looks at every page.
      writeFileSync(`${path}-wal`, "a log");
      harm(path, 3 * PAGE_BYTES, statSync(path).size - PAGE_BYTES);
    },
    says: /damaged.*parley restore BACKUP/,
  },
  "is cut in half": {
    befall: (path) => truncateSync(path, Math.floor(statSync(path).size / 2)),
    says: /damaged.*parley restore BACKUP/,
  },
  "is cut within a page": {
    befall: (path) => truncateSync(path, statSync(path).size - 100),
    says: /damaged.*parley restore BACKUP/,
  },
  "is cut to nothing": {
    befall: (path) => truncateSync(path, 0),
    says: /lost all it held.*parley restore BACKUP/,
  },
  "is another text": {
    befall: (path) => writeFileSync(path, "This is a shopping list. ".repeat(500)),
    says: /damaged.*parley restore BACKUP/,
  },
  "is a folder": {
    befall(path) {
      rmSync(path);
      mkdirSync(path);
    },
    says: /is a folder.*parley restore BACKUP/,
  },
};

async function expectRefused(dataDir: string, name: string, says: RegExp, under: readonly string[] = []) {
  const { code, stdout, stderr } = await runParley(["start"], { dataDir, entry: "main", under });
  expect(stderr).toMatch(/^parley: [^\n]+\n$/);
  expect(stderr).toMatch(says);
  expect(stderr).toContain(join(dataDir, name));
  expect(stderr).not.toMatch(/\bat .*:\d+|node:internal|Error:/);
  expect([code, stdout]).toEqual([1, ""]);
}

journey(
  "whatever befell a database, a start says so in one sentence with the command that mends it, and changes nothing",
  async ({ rig }) => {
    const upstream = await rig.upstream(answering("word ".repeat(20_000)));
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    await outcome(server.owner, (await post(server, messagesPath(id), { content: "Go on." })).body.turn.id);
    expect(await server.kill("SIGTERM")).toBe(0);
    for (const [what, { befall, says }] of Object.entries(harms)) {
      for (const name of DATABASES) {
        const dataDir = newDataDir();
        cpSync(server.dataDir, dataDir, { recursive: true });
        const path = join(dataDir, name);
        befall(path);
        const before = statSync(path).isFile() && readFileSync(path);
        await expectRefused(dataDir, name, says).catch((error) => {
          throw new Error(`${name} ${what}: ${error.message}`, { cause: error });
        });
        if (before) expect(readFileSync(path).equals(before)).toBe(true);
        else expect(statSync(path).isDirectory()).toBe(true);
        rmSync(dataDir, { recursive: true });
      }
    }
  },
);

traced(
  "a file that this user may not open, or that the disk cannot read, is one sentence that names it",
  async ({ rig }) => {
    const { dataDir, kill } = await rig.start();
    await kill("SIGTERM");
    for (const name of DATABASES) {
      const path = join(dataDir, name);
      const no = (fault: string) => underFaults([fault], [path]);
      await expectRefused(dataDir, name, /cannot be opened/, no("openat:error=EACCES"));
      await expectRefused(dataDir, name, /cannot be opened/, no("pread64:error=EIO"));
    }
    await kill();
    const restarted = await rig.start({ dataDir });
    expect((await restarted.owner.users.me()).role).toBe("owner");
  },
);

traced(
  "a database that this user may only read, or that leads to itself, is one sentence without a stack",
  async ({ rig }) => {
    const { dataDir, kill } = await rig.start();
    await kill("SIGKILL");
    for (const name of ["messages.db", "parley.db"]) {
      // Opening it is refused once, for SQLite then opens for reading what it may not open for writing.
      const faults = ["openat:error=EACCES:when=1", "?access,?faccessat,?faccessat2:error=EACCES"];
      await expectRefused(dataDir, name, /cannot be opened/, underFaults(faults, [join(dataDir, name)]));
    }
    const aside = join(dataDir, "aside.db");
    renameSync(join(dataDir, "messages.db"), aside);
    symlinkSync(join(dataDir, "messages.db"), join(dataDir, "messages.db"));
    await expectRefused(dataDir, "", /cannot be written \(ELOOP/);
    renameSync(aside, join(dataDir, "messages.db"));
    const restarted = await rig.start({ dataDir });
    expect((await restarted.owner.users.me()).role).toBe("owner");
  },
);

traced("a stop is one also where the disk lets nothing be removed", async ({ rig }) => {
  const server = await rig.start();
  const injection = await inject(server.pid, ["?unlink,?unlinkat,?rmdir:error=EROFS"]);
  process.kill(server.pid, "SIGTERM");
  expect(await within("the exit", server.exited)).toBe(0);
  await injection.end();
  expect(server.stderr()).not.toMatch(/\bat .*:\d+|Error:/);
});
