import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Client, Problem } from "@parley-chat/sdk";
import { loadConfig } from "../../config.ts";
import { StartError } from "../../kit/start-error.ts";
import { connect } from "../chat/connection.ts";
import { listPartners, partnersNamed } from "../chat/partners.ts";
import { forOneLine } from "../chat/plain-text.ts";
import type { Partner } from "../chat/screen.ts";
import { counted, createProgress } from "../progress.ts";
import { refuseUnknownFolder } from "./known-folder.ts";

export type CardFormat = "json" | "png";

/** Writes characters as card files: those that are named, else all that are one's own. */
export async function exportCards(options: {
  names: readonly string[];
  format: string | undefined;
  to: string | undefined;
  isJson: boolean;
}): Promise<number> {
  const { isJson } = options;
  const format = formatOf(options.format ?? "png");
  const folder = resolve(options.to ?? ".");
  const settings = loadConfig();
  const { config } = settings;
  refuseUnknownFolder(settings);
  const connection = await connect(config);
  const progress = createProgress(process.stderr.isTTY && !isJson);
  let written = 0;
  let alreadyThere = 0;
  let failed = 0;
  try {
    const { client } = connection;
    const chosen = await choose(client, options.names);
    makeFolder(folder);
    for (const [n, partner] of chosen.entries()) {
      progress.show(`Exporting ${forOneLine(partner.name)}`, n / chosen.length);
      const outcome = await exportOne(client, partner, format, folder);
      progress.end();
      if (!outcome.ok) failed++;
      else if (outcome.is_new) written++;
      else alreadyThere++;
      process.stdout.write(isJson ? `${JSON.stringify(outcome)}\n` : line(outcome));
    }
    if (chosen.length > 1 && !isJson) {
      const there = alreadyThere === 0 ? "" : `, ${alreadyThere} already there`;
      process.stderr.write(`${counted(written, "characters")} exported to ${folder}${there}.\n`);
    }
  } finally {
    progress.end();
    await connection.close();
  }
  return failed > 0 ? 1 : 0;
}

function formatOf(text: string): CardFormat {
  if (text === "json" || text === "png") return text;
  throw new StartError(`--format is json or png, not "${text}".`);
}

async function choose(client: Client, names: readonly string[]): Promise<Partner[]> {
  const all = await listPartners(client);
  if (names.length === 0) {
    const { id } = await client.users.me();
    const own = all.filter(({ ownerId }) => ownerId === id);
    if (own.length > 0) return own;
    throw new StartError(
      `You have no characters of your own; name one of those there are: \`parley export "${all[0]?.name ?? "NAME"}"\`.`,
    );
  }
  const chosen = new Map(
    names.flatMap((name) => partnersNamed(all, name)).map((partner) => [partner.id, partner]),
  );
  return [...chosen.values()];
}

type Outcome = { character: { id: string; name: string } } & (
  | {
      ok: true;
      file: string;
      /** False where a file of these very bytes was there. */
      is_new: boolean;
    }
  | { ok: false; problem: { code: string; detail: string } }
);

async function exportOne(
  client: Client,
  { id, name }: Partner,
  format: CardFormat,
  folder: string,
): Promise<Outcome> {
  const character = { id, name };
  try {
    const card = await client.characters.export({ character_id: id, format });
    const bytes = new Uint8Array(await card.arrayBuffer());
    return { character, ok: true, ...save(folder, fileName(name), format, bytes) };
  } catch (error) {
    if (error instanceof Problem)
      return { character, ok: false, problem: { code: error.code, detail: error.detail } };
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return { character, ok: false, problem: { code: "not_written", detail: message } };
  }
}

const line = (outcome: Outcome): string =>
  outcome.ok
    ? `exported  ${forOneLine(outcome.character.name)}: ${outcome.file}${outcome.is_new ? "" : " (already there)"}\n`
    : `failed    ${forOneLine(outcome.character.name)}: ${forOneLine(outcome.problem.detail)}\n`;

const NAME_UNITS_MAX = 80;
const SAME_NAMES_MAX = 1_000;

/** A character's name as a file may have it on any system. */
function fileName(name: string): string {
  const plain = forOneLine(name)
    .replaceAll(/[\\/:*?"<>|]/g, "_")
    .slice(0, NAME_UNITS_MAX)
    .toWellFormed()
    .replace(/^[. ]+|[. ]+$/g, "");
  return plain === "" || /^(con|prn|aux|nul|com\d|lpt\d)$/i.test(plain) ? `character ${plain}`.trim() : plain;
}

/** Writes a new file and never over another one: a file of these bytes is taken as it is, others get a number. */
function save(folder: string, name: string, format: CardFormat, bytes: Uint8Array) {
  for (let n = 1; n <= SAME_NAMES_MAX; n++) {
    const path = join(folder, `${name}${n === 1 ? "" : ` ${n}`}.${format}`);
    try {
      writeFileSync(path, bytes, { flag: "wx" });
      return { file: path, is_new: true };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      if (readFileSync(path).equals(bytes)) return { file: path, is_new: false };
    }
  }
  throw Object.assign(new Error(`${folder} holds too many files called ${name}.`), { code: "EEXIST" });
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new StartError(
      `The folder ${folder} cannot be made (${(error as Error).message}); name another by --to.`,
    );
  }
}
