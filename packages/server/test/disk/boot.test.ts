import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "vitest";
import { doctorOf, restoreInto, takeBackup } from "../backup/rig.ts";
import { journey, type Rig } from "../faults/journey.ts";
import { allMessages, messagesPath, newConversation, outcome, post } from "../faults/scene.ts";
import { until, within } from "../faults/until.ts";
import { newDataDir, runParley } from "../rig/server.ts";
import { hasStrace, inject, requireStrace, underFaults } from "../rig/strace.ts";
import { answering } from "../rig/upstream.ts";
import { cardFile } from "./scene.ts";

requireStrace("a start on files that the system does not let it read");
const traced = hasStrace ? journey : journey.skip;

const PAGE_BYTES = 4_096;
const DATABASES = ["messages.db", "parley.db"];
const PARTS = ["", "-wal", "-shm", "-mark"];
const LOG_SAYS = /-wal is damaged or gone.*parley restore BACKUP --replace/;

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

/** What befell the log of a database behind a kill. */
const logHarms: Record<string, (log: string) => void> = {
  "has garbage in its second half": (log) =>
    harm(log, Math.floor(statSync(log).size / 2), statSync(log).size),
  "has one other byte in the middle": (log) => {
    const middle = Math.floor(statSync(log).size / 2);
    writeFileSync(log, readFileSync(log).fill(readFileSync(log).readUInt8(middle) ^ 1, middle, middle + 1));
  },
  "has lost its header": (log) => harm(log, 0, 32),
  "is cut in half": (log) => truncateSync(log, Math.floor(statSync(log).size / 2)),
  "is cut to nothing": (log) => truncateSync(log, 0),
  "is gone": (log) => rmSync(log),
  "is gone with its index": (log) => {
    for (const path of [log, log.replace(/-wal$/, "-shm")]) rmSync(path);
  },
};

/** A server that was stopped, started again, told of something and killed: what it was told is in the logs alone. */
async function killedFolder(rig: Rig) {
  const { dataDir, owner, kill } = await rig.start();
  const { id } = await newConversation(owner);
  await kill("SIGTERM");
  const server = await rig.start({ dataDir });
  for (let n = 0; n < 8; n++) {
    await server.owner.messages.send({ conversation_id: id, content: `Note ${n}.`, reply: false });
  }
  // A card that takes too long to read, as on a machine that hardly runs us, is to be sent again.
  const character = await until("the card to be taken", () =>
    server.owner.characters.import({ file: cardFile("Mira") }),
  );
  await server.kill();
  /** A start on that folder or a copy of it finds everything, and leaves nothing beside the databases. */
  async function expectKept(folder: string) {
    const restarted = await rig.start({ dataDir: folder });
    const contents = (await allMessages(restarted.owner, id)).map(({ content }) => content);
    expect(contents.slice(-8)).toEqual(Array.from({ length: 8 }, (_, n) => `Note ${n}.`));
    const { name } = await restarted.owner.characters.get({ character_id: character.character.id });
    expect(name).toBe("Mira");
    await restarted.kill("SIGTERM");
    expect(readdirSync(folder).filter((file) => /\.db-/.test(file))).toEqual([]);
  }
  return { dataDir, expectKept };
}

for (const name of DATABASES) {
  journey(
    `whatever befell the log of ${name} behind a kill, no command goes on without what was acknowledged (I1)`,
    async ({ rig }) => {
      const { dataDir, expectKept } = await killedFolder(rig);
      const path = join(dataDir, name);
      const parts = () => PARTS.map((part) => existsSync(path + part) && readFileSync(path + part));
      const [, log, index] = parts() as Buffer[];
      for (const [what, befall] of Object.entries(logHarms)) {
        befall(`${path}-wal`);
        const before = parts();
        await expectRefused(dataDir, `${name}-wal`, LOG_SAYS).catch((error) => {
          throw new Error(`the log ${what}: ${error.message}`, { cause: error });
        });
        if (what === "is gone") {
          const { code, stderr } = await runParley(["backup", newDataDir()], { dataDir });
          expect([code, stderr]).toEqual([1, expect.stringMatching(LOG_SAYS)]);
          const found = (await doctorOf(dataDir)).of(name);
          expect(found).toMatchObject({ status: "fail", detail: expect.stringMatching(LOG_SAYS) });
        }
        expect(parts()).toEqual(before);
        writeFileSync(`${path}-wal`, log as Buffer);
        writeFileSync(`${path}-shm`, index as Buffer);
      }
      await expectKept(dataDir);
    },
  );
}

journey("a log that is lost is brought back with a backup, or given up", async ({ rig }) => {
  const { dataDir, expectKept } = await killedFolder(rig);
  const backup = await takeBackup(dataDir);
  const path = join(dataDir, "messages.db");
  for (const part of ["-wal", "-shm"]) rmSync(path + part);
  await expectRefused(dataDir, "messages.db-wal", LOG_SAYS);
  expect(await restoreInto(dataDir, backup.path, "--replace")).toMatchObject({ code: 0 });
  await expectKept(dataDir);

  const server = await rig.start({ dataDir });
  await newConversation(server.owner);
  await server.kill();
  for (const part of ["-wal", "-shm"]) rmSync(path + part);
  await expectRefused(dataDir, "messages.db-wal", LOG_SAYS);
  rmSync(`${path}-mark`);
  await expectKept(dataDir);
});

journey("a folder that only a kill befell starts, whoever looked into it since", async ({ rig }) => {
  const { dataDir, expectKept } = await killedFolder(rig);
  const since: Record<string, (copy: string) => unknown> = {
    nobody: () => {},
    "a doctor and a backup": async (copy) => {
      const { of } = await doctorOf(copy);
      expect(DATABASES.map((name) => of(name)?.status)).toEqual(["ok", "ok"]);
      await takeBackup(copy);
    },
    "another program, which folds the logs": (copy) => {
      for (const name of DATABASES) {
        const db = new DatabaseSync(join(copy, name));
        db.exec("SELECT count(*) FROM probes");
        db.close();
        expect(existsSync(join(copy, `${name}-wal`))).toBe(false);
      }
    },
    "somebody who took away what tells of the logs": (copy) => {
      for (const name of DATABASES) for (const part of ["-shm", "-mark"]) rmSync(join(copy, name + part));
    },
  };
  for (const [who, look] of Object.entries(since)) {
    const copy = newDataDir();
    cpSync(dataDir, copy, { recursive: true });
    await look(copy);
    await expectKept(copy).catch((error) => {
      throw new Error(`after ${who}: ${error.message}`, { cause: error });
    });
  }
});

journey(
  "a folder in the place of a database's index is one sentence, not writes that fail",
  async ({ rig }) => {
    const { dataDir, kill } = await rig.start();
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      await kill(signal);
      for (const name of DATABASES) {
        const index = join(dataDir, `${name}-shm`);
        rmSync(index, { force: true });
        mkdirSync(index);
        await expectRefused(dataDir, `${name}-shm`, /is a folder; move it away.*parley restore BACKUP/);
        rmdirSync(index);
      }
    }
    const restarted = await rig.start({ dataDir });
    expect((await restarted.owner.users.me()).role).toBe("owner");
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
