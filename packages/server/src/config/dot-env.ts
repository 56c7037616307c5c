import { parseEnv } from "node:util";
import { StartError } from "../kit/start-error.ts";

const ASSIGNMENT = /^\s*(?:export\s+)?[A-Za-z_][\w.-]*\s*=\s*(?<quote>["'`]?)/;

/**
 * Reads the text of a `.env`. Node's own reader makes one name of a malformed line and the next ones, and
 * says nothing, so these are looked for first. Throws a `StartError` with one sentence for each.
 */
export function readDotEnv(text: string): Record<string, string | undefined> {
  const plain = text.replace(/^\uFEFF/, "");
  const complaints = [...malformedLines(plain)];
  if (complaints.length > 0) throw new StartError(complaints.join("\n"));
  return parseEnv(plain);
}

function* malformedLines(text: string) {
  const lines = text.split(/\r?\n/);
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as string;
    if (/^\s*(#|$)/.test(line)) continue;
    const found = ASSIGNMENT.exec(line);
    if (!found) {
      yield `Line ${i + 1} of .env is not a setting; write NAME=value, or # before a remark.`;
      continue;
    }
    const quote = found.groups?.quote;
    if (!quote || line.slice(found[0].length).includes(quote)) continue;
    // A value in quotes may go on over several lines.
    const end = lines.findIndex((each, at) => at > i && each.includes(quote));
    if (end < 0) yield `Line ${i + 1} of .env opens a quotation mark (${quote}) that is never closed.`;
    else i = end;
  }
}
