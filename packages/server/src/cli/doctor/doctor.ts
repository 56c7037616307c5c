import { join, resolve } from "node:path";
import { type Config, isColorWanted, loadConfig } from "../../config.ts";
import { systemClock } from "../../kit/clock.ts";
import { StartError } from "../../kit/start-error.ts";
import { databases } from "../backup/manifest.ts";
import { createStyle, forOneLine } from "../chat/plain-text.ts";
import { askWhetherReady } from "../control.ts";
import { createProgress, type Progress } from "../progress.ts";
import { examineDatabases } from "./databases.ts";
import { examineBackups, examineFolder } from "./files.ts";
import { type Finding, fail, ok } from "./finding.ts";
import { examineClock, examineNode, examinePort, examineProvider, examineSettings } from "./surroundings.ts";

/** Looks at everything that a server needs, changes nothing, and says what to do. Status 1 where something fails. */
export async function doctor({
  backups = "backups",
  isJson,
}: {
  backups?: string | undefined;
  isJson: boolean;
}) {
  const findings: Finding[] = [];
  const show = isJson ? () => {} : printer();
  const progress = createProgress(process.stderr.isTTY && !isJson);
  for await (const finding of examineAll(resolve(backups), progress)) {
    findings.push(finding);
    progress.end();
    show(finding);
  }
  const isWell = findings.every(({ status }) => status !== "fail");
  if (isJson) process.stdout.write(`${JSON.stringify({ ok: isWell, findings })}\n`);
  return isWell ? 0 : 1;
}

async function* examineAll(backups: string, progress: Progress): AsyncGenerator<Finding> {
  yield examineNode();
  let config: Config;
  try {
    config = loadConfig().config;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    for (const sentence of error.message.split("\n")) {
      yield fail("settings", sentence, "the rest was not looked at: it depends on the settings");
    }
    return;
  }
  yield examineSettings(config);
  const dataDir = resolve(config.dataDir);
  const server = await askWhetherReady(dataDir);
  yield* examineFolder(dataDir, { isServed: server !== null, isSecretSet: config.secret !== undefined });
  if (server === null) {
    yield ok("server", "not running");
    yield await examinePort(config);
  } else if (server.failing.length > 0) {
    yield fail(
      "server",
      `process ${server.pid} at ${server.url} is not ready: ${server.failing.join(", ")}`,
      "its log says why",
    );
  } else yield ok("server", `process ${server.pid} at ${server.url} is ready`);
  yield* examineDatabases(dataDir, server !== null, progress);
  progress.begin("Asking the model provider");
  try {
    yield await examineProvider(config);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    yield fail("provider", error.message, "mend the setting");
  }
  const now = systemClock.now();
  yield examineClock(
    now,
    databases.map(({ name }) => join(dataDir, name)),
  );
  yield examineBackups(backups, now);
}

const NAME_WIDTH = 13;

/** One line each: how it is, where, what, and what to do. */
function printer(): (finding: Finding) => void {
  const style = createStyle(process.stdout.isTTY && isColorWanted());
  const mark = { ok: style.dim("ok  "), warn: style.bold("warn"), fail: style.red("FAIL") };
  return ({ name, status, detail, advice }) => {
    const text = advice === undefined ? detail : `${detail.replace(/\.$/, "")}: ${advice}`;
    process.stdout.write(`${mark[status]}  ${name.padEnd(NAME_WIDTH)} ${forOneLine(text)}\n`);
  };
}
