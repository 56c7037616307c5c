import { expect, test } from "vitest";
import { readDotEnv } from "./dot-env.ts";

test("names, quotes, remarks and values over several lines are read", () => {
  const text = '\uFEFF# a remark\r\nA=1\r\n\r\n  export B = "x # y" # z\nC="one\ntwo"\nD=it\'s\nE=\n';
  expect(readDotEnv(text)).toEqual({ A: "1", B: "x # y", C: "one\ntwo", D: "it's", E: "" });
});

test("every malformed line is named by its number, and what it holds is not shown", () => {
  const text = 'PORT=1\nAPI_KEY hunter2\nHOST=::1\n=x\nKEY: hunter2\nA="two\nlines"\nB="open\n';
  const complaint = (line: number) =>
    `Line ${line} of .env is not a setting; write NAME=value, or # before a remark.`;
  expect(() => readDotEnv(text)).toThrow(
    [
      complaint(2),
      complaint(4),
      complaint(5),
      'Line 8 of .env opens a quotation mark (") that is never closed.',
    ].join("\n"),
  );
});
