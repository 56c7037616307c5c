/** The program of the thread that reads card files (`card-reader.ts`). */
import { parentPort } from "node:worker_threads";
import type { SentFile } from "@parley-chat/sdk/contract";
import { Problem, type ProblemDocument } from "@parley-chat/sdk/contract/problem";
import { type CardImport, readCardImport } from "./card-picture.ts";

/** What the thread answers: an error loses its class on its way, so a refusal goes as its document. */
export type CardAnswer = { read: CardImport } | { refused: ProblemDocument } | { error: unknown };

async function answerTo(sent: SentFile): Promise<CardAnswer> {
  try {
    return { read: await readCardImport(sent) };
  } catch (error) {
    return error instanceof Problem ? { refused: error.toDocument("") } : { error };
  }
}

parentPort?.on("message", async (sent: SentFile) => {
  const answer = await answerTo(sent);
  const picture = "read" in answer ? answer.read.picture : null;
  const given = [picture?.whole, picture?.small].flatMap((bytes) =>
    bytes ? [bytes.buffer as ArrayBuffer] : [],
  );
  // Nothing of it is in the answer, which is copied while it is sent.
  (sent.file.buffer as ArrayBuffer).transfer(0);
  parentPort?.postMessage(answer, given);
});
