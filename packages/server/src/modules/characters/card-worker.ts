/** The program of the thread that reads card files (`card-reader.ts`). */
import { parentPort } from "node:worker_threads";
import type { SentFile } from "@parley-chat/sdk/contract";
import { Problem, type ProblemDocument } from "@parley-chat/sdk/contract/problem";
import { clearHeap } from "../../kit/clear-heap.ts";
import { type CardImport, type CardPicture, readCardImport, readPicture } from "./card-picture.ts";

/** A file, and what it is read as. */
export interface CardRequest extends SentFile {
  readonly as: keyof CardAnswers;
}

export interface CardAnswers {
  readonly card: CardImport;
  readonly picture: CardPicture;
}

/** What the thread answers: an error loses its class on its way, so a refusal goes as its document. */
export type CardAnswer =
  | { read: CardAnswers[keyof CardAnswers] }
  | { refused: ProblemDocument }
  | { error: unknown };

async function answerTo({ as, ...sent }: CardRequest): Promise<CardAnswer> {
  try {
    return { read: as === "card" ? await readCardImport(sent) : await readPicture(sent.file) };
  } catch (error) {
    return error instanceof Problem ? { refused: error.toDocument("") } : { error };
  }
}

/** What a heap may keep of a file while there is nothing to do. */
const LEFT_BYTES_MAX = 24 * 1024 ** 2;

async function answer(sent: CardRequest): Promise<void> {
  const message = await answerTo(sent);
  const picture = pictureIn(message);
  const given = [picture?.whole, picture?.small].flatMap((bytes) =>
    bytes ? [bytes.buffer as ArrayBuffer] : [],
  );
  // Nothing of it is in the answer, which is copied while it is sent.
  (sent.file.buffer as ArrayBuffer).transfer(0);
  parentPort?.postMessage(message, given);
}

parentPort?.on("message", async (sent: CardRequest) => {
  await answer(sent);
  clearHeap(LEFT_BYTES_MAX);
});

function pictureIn(answer: CardAnswer): CardPicture | null {
  if (!("read" in answer)) return null;
  return "card" in answer.read ? answer.read.picture : answer.read;
}
