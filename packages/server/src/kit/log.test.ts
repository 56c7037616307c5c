import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { createLog, type LogFields } from "./log.ts";

function capture(options: { level?: "info" | "debug"; format?: "json" | "text"; secrets?: string[] } = {}) {
  const lines: string[] = [];
  const log = createLog({
    level: options.level ?? "info",
    format: options.format ?? "json",
    secrets: options.secrets ?? [],
    to: { write: (line) => void lines.push(line) },
  });
  return { log, lines };
}

test("a field that is not on the list never reaches the log", () => {
  const { log, lines } = capture();
  log.info("turn ended", { turn_id: "t1", content: "what someone wrote" } as LogFields);
  expect(JSON.parse(lines[0] as string)).toMatchObject({
    level: "info",
    message: "turn ended",
    turn_id: "t1",
  });
  expect(lines.join()).not.toContain("someone");
});

test("a parser's error, which quotes its input, is logged without its message unless debugging", () => {
  const parse = () => {
    try {
      return JSON.parse("my private words");
    } catch (error) {
      return error;
    }
  };
  const quiet = capture();
  quiet.log.error("failed", { error: new Error("outer", { cause: parse() }) });
  expect(quiet.lines.join()).toContain("outer");
  expect(quiet.lines.join()).toContain("SyntaxError");
  expect(quiet.lines.join()).not.toContain("private");
  const verbose = capture({ level: "debug" });
  verbose.log.error("failed", { error: parse() });
  expect(verbose.lines.join()).toContain("private");
});

test("secrets are masked in every text, known ones by value and others by their look", () => {
  const { log, lines } = capture({ secrets: ["hunter2-hunter2"] });
  const error = new Error("refused hunter2-hunter2 and Bearer abcdefghijkl and sk-abcdefgh12345678");
  log.with({ reason: "hunter2-hunter2" }).error("call failed", { error });
  expect(lines.join()).not.toMatch(/hunter2|abcdefgh/);
  expect(lines.join()).toContain("********");
});

test("the short format shows time, level, message and fields on one line", () => {
  const { log, lines } = capture({ format: "text" });
  log.info("listening", { host: "127.0.0.1", port: 8666 });
  expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} info {2}listening host=127\.0\.0\.1 port=8666\n$/);
});

test("lines whose reader is gone are dropped, and hold up no end of the process", async () => {
  const program = `
    import { createLog } from ${JSON.stringify(new URL("./log.ts", import.meta.url).href)};
    const log = createLog({ level: "info", format: "json" });
    process.stdin.once("data", () => {
      for (let n = 0; n < 1_000; n++) log.info("nobody reads this");
      log.flush();
      setTimeout(() => process.exit(3), 50);
    });
    process.stdout.write("ready");
  `;
  const args = ["-C", "parley-source", "--input-type=module", "-e", program];
  const child = spawn(process.execPath, args, { stdio: "pipe" });
  await once(child.stdout, "data");
  child.stderr.destroy();
  child.stdin.end("go");
  expect((await once(child, "exit"))[0]).toBe(3);
});

test("every line reaches a reader that is slower than the writer, in order and up to the end of the process", async () => {
  const program = `
    import { createLog } from ${JSON.stringify(new URL("./log.ts", import.meta.url).href)};
    const log = createLog({ level: "info", format: "json" });
    for (let n = 0; n < 5_000; n++) log.info("line", { count: n });
    process.stdin.once("data", () => {
      for (let n = 5_000; n < 5_100; n++) log.info("line", { count: n });
      log.flush();
      process.exit(0);
    });
  `;
  const args = ["-C", "parley-source", "--input-type=module", "-e", program];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "ignore", "pipe"] });
  let text = "";
  for await (const chunk of child.stderr) {
    text += chunk;
    if (text.includes('"count":4999') && child.stdin.writable) child.stdin.end("go on");
  }
  const counts = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).count);
  expect(counts).toEqual(Array.from({ length: 5_100 }, (_, n) => n));
});
