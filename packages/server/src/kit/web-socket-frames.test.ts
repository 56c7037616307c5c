import type { Writable } from "node:stream";
import { expect, test } from "vitest";
import * as ws from "ws";
import { pingFrame, textFrame } from "./web-socket-frames.ts";

/** Its types leave the reader out. */
const { Receiver } = ws as unknown as { Receiver: new (options: { isServer: boolean }) => Writable };

/** What a client's library reads out of these bytes. */
async function read(...frames: Buffer[]): Promise<string[]> {
  const receiver = new Receiver({ isServer: false });
  const texts: string[] = [];
  receiver.on("message", (data: Buffer, isBinary: boolean) => texts.push(isBinary ? "binary" : String(data)));
  receiver.on("ping", (data: Buffer) => texts.push(`ping ${data.length}`));
  receiver.write(Buffer.concat(frames));
  await new Promise<void>((resolve, reject) => {
    receiver.once("finish", resolve);
    receiver.once("error", reject);
    receiver.end();
  });
  return texts;
}

test("a text of any length is read back as it was, one frame after another", async () => {
  const lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000];
  const texts = lengths.flatMap((length) => ["a".repeat(length), `${"é".repeat(length >> 1)}`, "😀"]);
  expect(await read(...texts.map(textFrame))).toEqual(texts);
});

test("a ping is one", async () => {
  expect(await read(pingFrame, textFrame("then"))).toEqual(["ping 0", "then"]);
});
