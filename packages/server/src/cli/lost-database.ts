import { statSync } from "node:fs";
import { join } from "node:path";
import { StartError } from "../kit/start-error.ts";
import { databases } from "./backup/manifest.ts";

const sizeOf = (path: string): number | null => statSync(path, { throwIfNoEntry: false })?.size ?? null;

/**
 * The database that is empty or gone where the other one holds something; null where there is none such.
 * A first start that was killed between the two is none: people and conversations come after both.
 */
export function lostDatabase(dataDir: string): string | null {
  for (const { name } of databases) {
    if (sizeOf(join(dataDir, name))) continue;
    const other = databases.find((each) => each.name !== name);
    if (other && sizeOf(join(dataDir, other.name)) && holdsSomething(dataDir, other)) return name;
  }
  return null;
}

function holdsSomething(
  dataDir: string,
  { name, examine, schemaKnown }: (typeof databases)[number],
): boolean {
  try {
    const { isDamaged, schemaVersion, counts } = examine(join(dataDir, name), { isAtRest: false });
    const isOfAnother = schemaVersion > 0 && schemaVersion !== schemaKnown;
    return isDamaged || isOfAnother || Object.values(counts).some((count) => count > 0);
  } catch (error) {
    // What cannot be opened is said where it is opened.
    if (error instanceof StartError) return false;
    throw error;
  }
}

/**
 * Refuses a start on a database of no bytes beside one that holds something: it would begin anew as if
 * nothing had been lost. One that is not there at all was moved away, as a damaged one may be.
 */
export function refuseLostDatabase(dataDir: string): void {
  if (!databases.some(({ name }) => sizeOf(join(dataDir, name)) === 0)) return;
  const lost = lostDatabase(dataDir);
  if (lost === null || sizeOf(join(dataDir, lost)) !== 0) return;
  throw new StartError(
    `${join(dataDir, lost)} has lost all it held, and the other database has not; \`parley restore BACKUP --replace\` brings a backup back, or delete that file to begin with an empty one.`,
  );
}
