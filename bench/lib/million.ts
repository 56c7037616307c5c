import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { rootFolder, start, withTimeout } from "./process.ts";
import { startProduct } from "./product.ts";

/** Rises with what is in it. */
const VERSION = 1;
const MESSAGES = 1_000_000;
const CONVERSATIONS = 1_000;
const FILL_TIMEOUT_MS = 120_000;

/**
 * A data folder with a million messages of one owner, made on first use and kept in bench/data. Parley
 * itself makes the folder and the first conversation, `fill-million.ts` the others in its likeness.
 */
export async function millionFolder(): Promise<string> {
  const folder = `${rootFolder}million-${VERSION}`;
  if (existsSync(folder)) return folder;
  const half = `${folder}-${process.pid}`;
  mkdirSync(half);
  try {
    const product = await startProduct({ folder: half });
    const [like] = await product.conversations(1);
    await product.stop();
    console.log("  making a folder with a million messages, once …");
    const program = new URL("../fill-million.ts", import.meta.url).pathname;
    const args = [program, `${half}/data/messages.db`, String(like), String(CONVERSATIONS), String(MESSAGES)];
    const running = start({ args });
    await withTimeout(running.receive("filled"), FILL_TIMEOUT_MS, "the folder was not filled");
    await running.stop();
    renameSync(half, folder);
  } catch (error) {
    rmSync(half, { recursive: true, force: true });
    throw error;
  }
  return folder;
}
