import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { between } from "../faults/random.ts";
import type { Call } from "./calls.ts";

interface File {
  kind: "file";
  /** What is on the disk whatever happens. */
  synced: Buffer;
  /** What was written since, in order. */
  pending: (Write | Cut)[];
  /** As the process sees it. */
  length: number;
}
interface Write {
  from: number;
  offset: number;
  data: Buffer;
}
/** A change of length. */
interface Cut {
  from: number;
  length: number;
}
interface Folder {
  kind: "folder";
  /** As the process sees it. */
  entries: Map<string, Node>;
  /** What is on the disk whatever happens. */
  synced: Map<string, Node>;
}
type Node = File | Folder;

/** A change of names that no sync of a folder it concerns has made durable yet; whole or not at all. */
interface Naming {
  from: number;
  node: Node;
  added: [Folder, string] | null;
  removed: [Folder, string] | null;
}

const newFile = (): File => ({ kind: "file", synced: Buffer.alloc(0), pending: [], length: 0 });
const newFolder = (): Folder => ({ kind: "folder", entries: new Map(), synced: new Map() });

/** How much of what was not synced a power cut takes. */
export interface CutOptions {
  random: () => number;
  /** Nothing that was not synced is kept. */
  isBare: boolean;
}

/**
 * A disk below one folder, as POSIX promises it and no better: bytes of a file are durable once an fsync
 * or fdatasync of it that began after them has returned, names once their folder was synced. Of all else
 * a power cut keeps any part in any order, torn between sectors.
 */
export function createDisk(root: string) {
  const top = newFolder();
  let namings: Naming[] = [];
  const positions = new Map<number, number>();

  /** Begins with what is on the real disk now, all of it durable. */
  function takeSnapshot(path = root, folder = top): void {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const node = entry.isDirectory() ? newFolder() : newFile();
      folder.entries.set(entry.name, node);
      folder.synced.set(entry.name, node);
      if (node.kind === "folder") takeSnapshot(join(path, entry.name), node);
      else {
        node.synced = readFileSync(join(path, entry.name));
        node.length = node.synced.length;
      }
    }
  }

  function find(path: string): Node | undefined {
    if (path === root) return top;
    if (!path.startsWith(`${root}/`)) return undefined;
    let node: Node | undefined = top;
    for (const name of path.slice(root.length + 1).split("/")) {
      node = node?.kind === "folder" ? node.entries.get(name) : undefined;
    }
    return node;
  }

  function place(path: string): [Folder, string] | null {
    const folder = find(dirname(path));
    return folder?.kind === "folder" ? [folder, basename(path)] : null;
  }

  function name(from: number, node: Node, added: Naming["added"], removed: Naming["removed"]): void {
    if (removed) removed[0].entries.delete(removed[1]);
    if (added) added[0].entries.set(added[1], node);
    namings.push({ from, node, added, removed });
  }

  function open({ from, path, flags, fd }: Call): void {
    const at = place(path);
    if (!at) return;
    let node = find(path);
    if (!node && flags.includes("O_CREAT")) {
      node = newFile();
      name(from, node, at, null);
    }
    if (node?.kind === "file" && flags.includes("O_TRUNC") && node.length > 0) {
      node.pending.push({ from, length: 0 });
      node.length = 0;
    }
    positions.set(fd as number, 0);
  }

  function write({ from, path, offset, data, fd }: Call): void {
    const node = find(path);
    if (node?.kind !== "file") return;
    const at = offset ?? positions.get(fd as number) ?? 0;
    if (offset === null) positions.set(fd as number, at + data.length);
    node.pending.push({ from, offset: at, data });
    node.length = Math.max(node.length, at + data.length);
  }

  function sync({ from, path }: Call): void {
    const node = find(path);
    if (node?.kind === "file") {
      node.synced = changed(
        node.synced,
        node.pending.filter((one) => one.from < from),
      );
      node.pending = node.pending.filter((one) => one.from > from);
    } else if (node) {
      const isOfIt = ({ added, removed }: Naming) => added?.[0] === node || removed?.[0] === node;
      for (const one of namings.filter((naming) => naming.from < from && isOfIt(naming))) settle(one);
      namings = namings.filter((naming) => naming.from > from || !isOfIt(naming));
    }
  }

  return {
    takeSnapshot,

    /** Takes a call in; those that failed change nothing. */
    apply(call: Call): void {
      const { name: kind, from, path, target, result, offset } = call;
      if (result < 0 || call.isSocket) return;
      const node = find(path);
      if (kind.startsWith("open") || kind === "creat") open(call);
      else if (/^p?write/.test(kind)) write(call);
      else if (kind === "fsync" || kind === "fdatasync") sync(call);
      else if (kind.endsWith("truncate") && node?.kind === "file") {
        node.pending.push({ from, length: offset as number });
        node.length = offset as number;
      } else if (kind.startsWith("mkdir")) name(from, newFolder(), place(path), null);
      else if ((kind.startsWith("unlink") || kind === "rmdir") && node) name(from, node, null, place(path));
      else if (kind.startsWith("rename") && node) name(from, node, place(target as string), place(path));
      else if (node) throw new Error(`the model does not know ${kind} of ${path}`);
    },

    /** Makes the folder `into` what the disk may hold after a power cut at this moment. */
    cut(into: string, options: CutOptions): void {
      const views = new Map<Folder, Map<string, Node>>();
      const view = (folder: Folder) => {
        const known = views.get(folder) ?? new Map(folder.synced);
        views.set(folder, known);
        return known;
      };
      const keeps = options.isBare ? 0 : (KEEPS[between(options.random, 0, KEEPS.length - 1)] as number);
      for (const { node, added, removed } of namings) {
        if (options.random() >= keeps) continue;
        if (removed && view(removed[0]).get(removed[1]) === node) view(removed[0]).delete(removed[1]);
        if (added) view(added[0]).set(added[1], node);
      }
      const lay = (folder: Folder, path: string) => {
        mkdirSync(path, { recursive: true });
        for (const [entry, node] of view(folder)) {
          if (node.kind === "folder") lay(node, join(path, entry));
          else writeFileSync(join(path, entry), torn(node, options));
        }
      };
      lay(top, into);
    },

    /** Makes the folder `into` what the process sees. */
    copy(into: string): void {
      const lay = (folder: Folder, path: string) => {
        mkdirSync(path, { recursive: true });
        for (const [entry, node] of folder.entries) {
          if (node.kind === "folder") lay(node, join(path, entry));
          else writeFileSync(join(path, entry), changed(node.synced, node.pending));
        }
      };
      lay(top, into);
    },
  };
}

export type Disk = ReturnType<typeof createDisk>;

const KEEPS = [0, 0.1, 0.5, 0.9, 1];
const SECTORS = [512, 4_096];

function settle({ node, added, removed }: Naming): void {
  if (removed && removed[0].synced.get(removed[1]) === node) removed[0].synced.delete(removed[1]);
  if (added) added[0].synced.set(added[1], node);
}

/** The bytes after these changes, in a copy. What no write reached is `filler`. */
function changed(before: Buffer, changes: readonly (Write | Cut)[], filler = 0): Buffer {
  const endOf = (change: Write | Cut) =>
    "data" in change ? change.offset + change.data.length : change.length;
  const bytes = Buffer.alloc(changes.reduce((most, change) => Math.max(most, endOf(change)), before.length));
  before.copy(bytes);
  let length = before.length;
  for (const change of changes) {
    if ("data" in change) {
      if (change.offset > length) bytes.fill(filler, length, change.offset);
      change.data.copy(bytes, change.offset);
      length = Math.max(length, endOf(change));
    } else {
      if (change.length > length) bytes.fill(0, length, change.length);
      length = change.length;
    }
  }
  return bytes.subarray(0, length);
}

/** A file of which some sectors of what was not synced are there and others not. */
function torn({ synced, pending }: File, { random, isBare }: CutOptions): Buffer {
  if (isBare || pending.length === 0) return synced;
  const keeps = KEEPS[between(random, 0, KEEPS.length - 1)] as number;
  const sector = SECTORS[between(random, 0, SECTORS.length - 1)] as number;
  // Where a file has grown over what never came, there may be nothing, or what lay on the disk before.
  const filler = random() < 0.5 ? 0 : between(random, 1, 255);
  const piecesOf = (change: Write | Cut) => ("data" in change ? sectorsOf(change, sector) : [change]);
  const pieces: (Write | Cut)[] = pending.flatMap<Write | Cut>(piecesOf);
  return changed(
    synced,
    pieces.filter(() => random() < keeps),
    filler,
  );
}

function sectorsOf({ from, offset, data }: Write, sector: number): Write[] {
  const pieces: Write[] = [];
  for (let at = 0; at < data.length; ) {
    const end = Math.min(data.length, at + sector - ((offset + at) % sector));
    pieces.push({ from, offset: offset + at, data: data.subarray(at, end) });
    at = end;
  }
  return pieces;
}
