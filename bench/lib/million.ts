import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { rootFolder, start, withTimeout } from "./process.ts";
import { startProduct } from "./product.ts";

/** Rises with what is in it. */
const VERSION = 2;
const FILL_TIMEOUT_MS = 120_000;

/** Conversations to fill a folder with; their ids begin with the prefix, 8 hex digits. */
export interface Filling {
  conversations: number;
  messagesEach: number;
  prefix: string;
}

/** A data folder with a million messages of the owner's, made on first use and kept in bench/data. */
export async function millionFolder(): Promise<string> {
  const folder = `${rootFolder}million-${VERSION}`;
  if (existsSync(folder)) return folder;
  const half = `${folder}-${process.pid}`;
  try {
    console.log("  making a folder with a million messages, once …");
    await filledFolder(half, { conversations: 1_000, messagesEach: 1_000, prefix: "01900000" });
    renameSync(half, folder);
  } catch (error) {
    rmSync(half, { recursive: true, force: true });
    throw error;
  }
  return folder;
}

/**
 * Makes a data folder that holds such conversations; gives their ids. Parley itself makes the folder and
 * one conversation, `fill.ts` the others in its likeness.
 */
export async function filledFolder(folder: string, ...fillings: Filling[]): Promise<string[][]> {
  mkdirSync(folder);
  const product = await startProduct({ folder });
  const [like] = await product.conversations(1);
  await product.stop();
  const program = new URL("../fill.ts", import.meta.url).pathname;
  const ids: string[][] = [];
  for (const { conversations, messagesEach, prefix } of fillings) {
    const numbers = [String(conversations), String(messagesEach)];
    const running = start({
      args: [program, `${folder}/data/messages.db`, String(like), ...numbers, prefix],
    });
    const { filled } = await withTimeout(
      running.receive("filled"),
      FILL_TIMEOUT_MS,
      "a folder was not filled",
    );
    ids.push(filled as string[]);
    await running.stop();
  }
  return ids;
}
