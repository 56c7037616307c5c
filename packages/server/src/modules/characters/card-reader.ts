import type { Worker } from "node:worker_threads";
import type { SentFile } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { Clock } from "../../kit/clock.ts";
import { createThread, startThread, ThreadBusy, ThreadLost } from "../../kit/thread.ts";
import { type CardImport, type CardPicture, readCardImport } from "./card-picture.ts";
import type { CardAnswer, CardAnswers, CardRequest } from "./card-worker.ts";

/** A millisecond at most, and a thread takes longer to start. A picture of any size may unpack to much more. */
const READ_IN_PLACE_BYTES_MAX = 64 * 1024;
const WAITING_BYTES_MAX = 64 * 1024 ** 2;
/** The slowest file takes a quarter of a second on a machine that is not busy. */
const READING_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 10_000;
const RETRY_AFTER_S = 2;

export interface CardReader {
  /**
   * Reads a card file in a thread of its own, so that nothing else waits for it. The bytes are given away.
   * @throws `invalid_card`, `overloaded`
   */
  readCard(sent: SentFile): Promise<CardImport>;
  /**
   * The same for a picture, of which only what is shown is kept.
   * @throws `validation_failed`, `overloaded`
   */
  readPicture(file: Uint8Array): Promise<CardPicture>;
  /** Ends the thread; whoever waits for it gets `draining`. */
  close(): Promise<void>;
}

/** What a thread may take for its values: those of 16 MiB of texts with two bytes a letter, and as much again. */
const HEAP = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8 };

/** @param uses.start another program than ours, for tests */
export function createCardReader({
  clock,
  start = () => startThread(import.meta.url, "card-worker", HEAP),
}: {
  clock: Clock;
  start?: () => Worker;
}): CardReader {
  const thread = createThread({
    start,
    clock,
    waitingBytesMax: WAITING_BYTES_MAX,
    jobTimeoutMs: READING_TIMEOUT_MS,
    idleTimeoutMs: IDLE_TIMEOUT_MS,
  });
  async function read<K extends CardRequest["as"]>(as: K, { file, type }: SentFile): Promise<CardAnswers[K]> {
    const given = asOwn(file);
    const message: CardRequest = { as, file: given, type };
    const job = { message, transfer: [given.buffer], bytes: given.length };
    const answer = (await thread.run(job).catch(problemOf)) as CardAnswer;
    if ("refused" in answer) throw Problem.fromDocument(answer.refused);
    if ("error" in answer) throw answer.error;
    return answer.read as CardAnswers[K];
  }

  return {
    async readCard(sent) {
      const isSmall = sent.type === "application/json" && sent.file.length <= READ_IN_PLACE_BYTES_MAX;
      return isSmall ? readCardImport(sent) : read("card", sent);
    },
    readPicture: (file) => read("picture", { file, type: "image/png" }),
    close: thread.close,
  };
}

/** Only a whole buffer can be given away; small files share theirs with others. */
const asOwn = (file: Uint8Array): Uint8Array<ArrayBuffer> =>
  file.buffer instanceof ArrayBuffer && file.length === file.buffer.byteLength
    ? (file as Uint8Array<ArrayBuffer>)
    : new Uint8Array(file);

function problemOf(error: unknown): never {
  if (error instanceof ThreadBusy) {
    throw new Problem("overloaded", "Too many card files are being read; send it again in a moment.", {
      retryAfterS: RETRY_AFTER_S,
    });
  }
  if (!(error instanceof ThreadLost) || error.reason === "fault") throw error;
  const cause = { cause: error };
  switch (error.reason) {
    case "memory":
      throw new Problem(
        "invalid_card",
        "The card takes more memory than any card: it is damaged, or no card.",
        cause,
      );
    case "time":
      throw new Problem("overloaded", "Reading the card took too long; send it again later.", {
        ...cause,
        retryAfterS: RETRY_AFTER_S,
      });
    case "closed":
      throw new Problem("draining", undefined, { ...cause, retryAfterS: RETRY_AFTER_S });
  }
}
