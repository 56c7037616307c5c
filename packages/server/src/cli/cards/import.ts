import { readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { type Client, type ImportReport, Problem } from "@parley-chat/sdk";
import { loadConfig } from "../../config.ts";
import { newId } from "../../kit/ids.ts";
import { connect } from "../chat/connection.ts";
import { forOneLine } from "../chat/plain-text.ts";
import { createProgress } from "../progress.ts";
import { refuseUnknownFolder } from "./known-folder.ts";

/** What became of one file. */
type Outcome = { file: string } & (
  | { ok: true; character: { id: string; name: string }; report: ImportReport }
  | { ok: false; problem: { code: string; detail: string } }
);

/** Makes a character of each card file; one that cannot be read does not keep the others out. */
export async function importCards({
  files,
  isJson,
}: {
  files: readonly string[];
  isJson: boolean;
}): Promise<number> {
  const settings = loadConfig();
  const { config } = settings;
  refuseUnknownFolder(settings);
  const connection = await connect(config);
  const progress = createProgress(process.stderr.isTTY && !isJson);
  let failed = 0;
  try {
    for (const [n, file] of files.entries()) {
      progress.show(`Importing ${basename(file)}`, n / files.length);
      const outcome = await importOne(connection.client, file, config.uploadBytesMax);
      if (!outcome.ok) failed++;
      progress.end();
      process.stdout.write(isJson ? `${JSON.stringify(outcome)}\n` : lines(outcome));
    }
  } finally {
    progress.end();
    await connection.close();
  }
  if (files.length > 1 && !isJson) {
    process.stderr.write(`${files.length - failed} of ${files.length} imported.\n`);
  }
  return failed > 0 ? 1 : 0;
}

async function importOne(client: Client, file: string, bytesMax: number): Promise<Outcome> {
  const refuse = (code: string, detail: string): Outcome => ({ file, ok: false, problem: { code, detail } });
  let bytes: Uint8Array;
  try {
    const { size } = statSync(file);
    if (size > bytesMax)
      return refuse(
        "payload_too_large",
        `The file is larger than the ${bytesMax} bytes that PARLEY_UPLOAD_BYTES_MAX allows.`,
      );
    bytes = readFileSync(file);
  } catch (error) {
    return refuse(
      "unreadable",
      REASONS[(error as NodeJS.ErrnoException).code ?? ""] ?? (error as Error).message,
    );
  }
  try {
    const { character, report } = await client.characters.import(
      { file: bytes },
      { idempotencyKey: newId() },
    );
    return { file, ok: true, character: { id: character.id, name: character.name }, report };
  } catch (error) {
    if (error instanceof Problem) return refuse(error.code, error.detail);
    if (error instanceof TypeError) return refuse("unreachable", "The server went away; try again.");
    throw error;
  }
}

const REASONS: Record<string, string> = {
  ENOENT: "There is no such file.",
  EISDIR: "This is a folder; name the files in it.",
  EACCES: "This user may not read it.",
};

const FORMATS: Record<ImportReport["format"], string> = {
  chara_card_v1: "V1",
  chara_card_v2: "V2",
  chara_card_v3: "V3",
};

function lines(outcome: Outcome): string {
  const file = forOneLine(outcome.file);
  if (!outcome.ok) return `failed    ${file}: ${forOneLine(outcome.problem.detail)}\n`;
  const { character, report } = outcome;
  const warnings = report.warnings.map(({ path, message }) => {
    const where = path === "" ? "" : `${forOneLine(path)}: `;
    return `          ${where}${forOneLine(message)}\n`;
  });
  return `imported  ${file}: ${forOneLine(character.name)} (${FORMATS[report.format]})\n${warnings.join("")}`;
}
