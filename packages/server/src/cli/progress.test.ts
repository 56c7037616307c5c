import { expect, test } from "vitest";
import { counted, sizeText } from "./progress.ts";

test("sizes and counts read as people say them", () => {
  expect([0, 999, 1_000, 12_345_678, 5e12].map(sizeText)).toEqual([
    "0 bytes",
    "999 bytes",
    "1.0 kB",
    "12.3 MB",
    "5.0 TB",
  ]);
  expect([counted(1, "messages"), counted(2, "messages"), counted(0, "turns")]).toEqual([
    "1 message",
    "2 messages",
    "0 turns",
  ]);
});
