import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CardChanges, SignedInContext } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { manualClock } from "../../kit/clock.ts";
import { newId } from "../../kit/ids.ts";
import { createFileBlobs } from "../../ports/blobs/file.ts";
import { createSqliteSql } from "../../ports/sql/sqlite.ts";
import { readCardImport, readPicture } from "./card-picture.ts";
import { createCharacters } from "./characters.ts";

/** For tests: reads files without a thread. */
export const filesInPlace = { readCard: readCardImport, readPicture };

const forgetAnswers = async () => {};

/** For tests: characters on a real store in a folder of their own. */
export async function openCharacters() {
  const folder = await mkdtemp(join(tmpdir(), "parley-characters-"));
  const clock = manualClock();
  const sql = createSqliteSql({ path: join(folder, "parley.db") });
  const blobs = await createFileBlobs({ folder: join(folder, "blobs"), clock });
  const characters = createCharacters({ sql, blobs, clock, files: filesInPlace, forgetAnswers });
  return {
    sql,
    blobs,
    clock,
    characters,
    /** The same store with nothing in memory, as after a start. */
    again: () => createCharacters({ sql, blobs, clock, files: filesInPlace, forgetAnswers }),
    /** Every character a moment later than the one before, so that "newest first" has an order. */
    async make(owner: SignedInContext, fields: Partial<CardChanges> & { name: string }) {
      clock.jump(1_000);
      return characters.create(fields, owner);
    },
    async close() {
      await sql.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** For tests: the context of a call by someone. */
export function caller(
  rest: Partial<SignedInContext> & { role?: "owner" | "user"; userId?: string } = {},
): SignedInContext {
  const { role = "user", userId = newId(), ...context } = rest;
  return {
    principal: { userId, role, scopes: ["characters"], credential: { kind: "session", id: newId() } },
    requestId: "test",
    address: "127.0.0.1",
    newId,
    markReplayed: () => {},
    showLimit: () => {},
    ...context,
  };
}

/** For tests: the problem that a call rejects with, in short. */
export async function problemOf(
  call: Promise<unknown>,
): Promise<{ code: string; status: number; paths: string[]; detail: string }> {
  const error = await call.then(
    () => new Error("the call went well"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof Problem)) throw error;
  const { code, status, detail, errors = [] } = error;
  return { code, status, detail, paths: errors.map(({ path }) => path) };
}
