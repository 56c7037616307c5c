/**
 * What is done with Markdown before it is read. The reader's time can grow with the square of a text, and its
 * stack with the nesting; a card or a model writes what it likes, so both are bounded here, each in one pass.
 */

/** Blocks in blocks. */
const NESTING_MAX = 32;
/** Marks like `**` or `[` in one paragraph: each may be compared with all the others. */
const MARKS_MAX = 200;
/** Characters without a space: an address is looked for from each of them on. */
const WORD_MAX = 500;
/** Characters of one part, code aside. */
const PART_MAX = 16_000;

const LINE = /[^\n]*\n?/g;
const FENCE = /^[\s>*+\-\d.)]*(`{3,}(?=[^`]*$)|~{3,})(.*)/;
const MARKS = /\*+|_+|~+|`+|[[\]]/g;
const WORDS = /[\w.+-]+/g;
const OPENS_BLOCK = /^ {0,3}(#{1,6}\s|[-*+] +\S|1[.)] +\S)/;
const NUMBERED = /^ {0,3}\d{1,9}[.)] +\S/;
/** What may belong to a list before it, or may come to once it is written to its end. */
const MAY_GO_ON = /^(\s|[-*+](\s|$)|\d{1,9}([.)](\s|$)|$))/;
const TABLE_RULE = /^[ |:-]+$/;

/** The lines of a text, and of each whether it stands in a fenced block of code. */
function* linesOf(text: string): Generator<{ line: string; isCode: boolean }> {
  let fence: string | null = null;
  for (const [line] of text.matchAll(LINE)) {
    if (line === "") continue;
    const [, marks, rest] = FENCE.exec(line.trimEnd()) ?? [];
    yield { line, isCode: fence !== null || marks !== undefined };
    if (marks === undefined) continue;
    if (fence === null) fence = marks;
    else if (marks.startsWith(fence) && rest?.trim() === "") fence = null;
  }
}

/**
 * Cuts a text where one block has surely ended, so that in a stream only the last part is ever read anew:
 * after an empty line outside of code, before a line that cannot belong to a list. Joined they are the text.
 */
export function partsOf(text: string): string[] {
  const parts: string[] = [];
  let part = "";
  let isAfterGap = false;
  for (const { line, isCode } of linesOf(text)) {
    const isEmpty = line.trim() === "";
    if (isAfterGap && !isEmpty && !MAY_GO_ON.test(line.trimEnd())) {
      parts.push(part);
      part = "";
    }
    part += line;
    // A fence that opens after a gap begins a part; what is within one stays together.
    isAfterGap = isEmpty && !isCode;
  }
  if (part !== "") parts.push(part);
  return parts;
}

const RUN = /\*+|`+/g;

/**
 * Closes what the last paragraph of a growing part has opened, so that a star does not stand there as it was
 * written until its other half has come.
 */
export function closeOpenMarks(part: string): string {
  const lines = [...linesOf(part)];
  if (lines.at(-1)?.isCode) return part;
  const paragraph = part.slice(part.lastIndexOf("\n\n") + 1).trimEnd();
  const open: string[] = [];
  for (const { 0: run, index } of paragraph.matchAll(RUN)) {
    const before = paragraph[index - 1] ?? " ";
    const after = paragraph[index + run.length] ?? " ";
    if (open.at(-1) === run && /\S/.test(before)) open.pop();
    else if (/\S/.test(after) && !/\w/.test(before) && !open.at(-1)?.startsWith("`")) open.push(run);
  }
  if (open.length === 0) return part;
  return part.trimEnd() + open.reverse().join("");
}

/** Whether a part can be read as Markdown in little time; what cannot is shown as it was written. */
export function isReadable(part: string): boolean {
  let length = 0;
  let marks = 0;
  let before = "";
  let isTable = false;
  let isNumbered = false;
  for (const { line, isCode } of linesOf(part)) {
    if (nestingOf(line) > NESTING_MAX) return false;
    if (isCode) continue;
    const content = line.replace(/^( {0,3}>)+ ?/, "").trimEnd();
    isTable = content !== "" && (isTable || isTableRule(content, before));
    // A number goes on with a list, but only a 1 begins one in the midst of a paragraph.
    const isItem: boolean = NUMBERED.test(content) && (isNumbered || before === "");
    if (OPENS_BLOCK.test(content)) isNumbered = NUMBERED.test(content);
    else isNumbered ||= isItem;
    // Each of these is read for itself.
    if (content === "" || isTable || isItem || OPENS_BLOCK.test(content)) marks = 0;
    marks += content.match(MARKS)?.length ?? 0;
    length += line.length;
    before = content;
    const isLong = content.match(WORDS)?.some((word) => word.length > WORD_MAX) ?? false;
    if (length > PART_MAX || marks > MARKS_MAX || isLong) return false;
  }
  return true;
}

const isTableRule = (line: string, before: string): boolean =>
  TABLE_RULE.test(line) && /[-: ]\|/.test(line) && columnsOf(line) === columnsOf(before);

/** How deep the blocks may lie that a line opens, by its marks and by how far it is indented. */
function nestingOf(line: string): number {
  const mark = /([ \t]*)(>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t]))/y;
  let depth = 0;
  for (let found = mark.exec(line); found && depth <= NESTING_MAX; found = mark.exec(line)) {
    depth += 1 + Math.floor((found[1] as string).replaceAll("\t", "    ").length / 2);
  }
  return depth;
}

const columnsOf = (row: string): number =>
  row
    .trim()
    .replaceAll("\\|", "")
    .replace(/^\||\|$/g, "")
    .split("|").length;
