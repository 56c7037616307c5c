import { resolve } from "node:path";

/** One call of a traced process that changes files or writes to a socket, in the order of the trace. */
export interface Call {
  name: string;
  /** When it began, and when it had returned: lines of the trace. */
  from: number;
  to: number;
  /** Below zero where it failed. */
  result: number;
  /** The file of its first argument, or what it names. */
  path: string;
  /** Of renames: the new name. */
  target: string | null;
  isSocket: boolean;
  flags: string;
  /** What is written. */
  data: Buffer;
  /** Where in the file, or how long it becomes. Null: where the last write ended. */
  offset: number | null;
  fd: number | null;
}

const decode = (hex: string) => Buffer.from(hex.replaceAll("\\x", ""), "hex");
const decodeText = (hex: string | undefined) => decode(hex ?? "").toString();

const LINE = /^(\d+) +(.*)$/;
const RESUMED = /^<\.\.\. \w+ resumed>(.*)$/;
const UNFINISHED = / ?<unfinished \.\.\.>$/;
const WHOLE = /^(\w+)\((.*)\) += (-?\d+|\?)(.*)$/;
const QUOTED = /"((?:\\x[0-9a-f]{2})*)"/g;
const HANDLE = /^(\d+)<((?:\\x[0-9a-f]{2})*)>/;

/** Reads the text of strace with `-f -y -xx`. What is none of a file or socket is left out. */
export function readCalls(text: string): Call[] {
  const calls: Call[] = [];
  const begun = new Map<string, { from: number; text: string }>();
  for (const [n, line] of text.split("\n").entries()) {
    const [, thread, said] = LINE.exec(line) ?? [];
    if (thread === undefined || said === undefined) continue;
    if (UNFINISHED.test(said)) {
      begun.set(thread, { from: n, text: said.replace(UNFINISHED, "") });
      continue;
    }
    const resumed = RESUMED.exec(said);
    const start = resumed ? begun.get(thread) : undefined;
    begun.delete(thread);
    const whole = start ? start.text + (resumed?.[1] ?? "") : said;
    const call = readCall(whole, start?.from ?? n, n);
    if (call) calls.push(call);
  }
  // What a kill cut short was begun, and may have been done.
  for (const [, { from, text: cut }] of begun) {
    const call = readCall(`${cut.replace(/[,)]?\s*$/, "")}) = ?`, from, Number.POSITIVE_INFINITY);
    if (call) calls.push(call);
  }
  return calls.sort((a, b) => a.from - b.from);
}

function readCall(text: string, from: number, to: number): Call | null {
  const [, name, args, result] = WHOLE.exec(text) ?? [];
  if (name === undefined || args === undefined) return null;
  const handle = HANDLE.exec(args);
  const quoted = [...args.matchAll(QUOTED)].map(([, hex]) => hex);
  const isWrite = /^p?write|^send/.test(name);
  const handled = decodeText(handle?.[2]);
  const path = isWrite || quoted.length === 0 ? handled : resolve(handled, decodeText(quoted[0]));
  const rest = args.replaceAll(QUOTED, '""');
  const data = isWrite ? Buffer.concat(quoted.map((hex) => decode(hex as string))) : Buffer.alloc(0);
  const last = /, (\d+)$/.exec(rest)?.[1];
  const hasOffset = /^pwrite|truncate/.test(name);
  return {
    name,
    from,
    to,
    result: result === "?" ? 0 : Number(result),
    path,
    target: name.startsWith("rename") || name.startsWith("link") ? decodeText(quoted[1]) : null,
    isSocket: path.startsWith("socket:"),
    flags: name.startsWith("open") ? rest : "",
    // A write may take less than it was given.
    data: result === "?" ? data : data.subarray(0, Math.max(0, Number(result))),
    offset: hasOffset && last !== undefined ? Number(last) : null,
    fd: name.startsWith("open") ? Number(result) : handle ? Number(handle[1]) : null,
  };
}
