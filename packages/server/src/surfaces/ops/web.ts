import { readdir, readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, extname, join, sep } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { addVary } from "../vary.ts";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};
const IS_COMPRESSIBLE = new Set([".html", ".css", ".js", ".svg"]);
/** Files with a hash in their names never change. */
const HASHED = "assets/";
const INDEX = "index.html";

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  // The page makes no HTML out of text, and so it stays.
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

interface PageFile {
  type: string;
  body: Buffer;
  /** Absent where it would not be smaller. */
  zipped?: Buffer;
}

/** The files of the built page by their names, read once. */
type PageFiles = ReadonlyMap<string, PageFile>;

export interface WebUses {
  /** Whether the page offers to make an account. */
  isRegistrationOpen: boolean;
}

/** Serves the web page at `/app/`: a fixed set of files, and the page itself for every address within it. */
export function serveWeb(app: FastifyInstance, uses: WebUses): void {
  const folder = join(
    dirname(createRequire(import.meta.url).resolve("@parley-chat/web/package.json")),
    "dist",
  );
  let read: { builtAtMs: number; files: Promise<PageFiles> } | null = null;
  /** The files as they are now: whoever builds the page anew under a running server sees it at once. */
  const load = async (): Promise<PageFiles> => {
    const { mtimeMs: builtAtMs } = await stat(join(folder, INDEX)).catch(() => {
      throw new Problem("not_found", "The web page has not been built here: run `npm run build`.");
    });
    if (read?.builtAtMs !== builtAtMs) {
      const files = readPage(folder, uses);
      read = { builtAtMs, files };
      // A build that took the files away in the midst is over by the next request.
      files.catch(() => {
        read = null;
      });
    }
    return read.files;
  };

  app.get("/app", (_request, reply) => reply.redirect("/app/"));
  app.get("/app/*", async (request, reply) => {
    const name = (request.params as { "*": string })["*"];
    const files = await load();
    const file = files.get(name);
    if (file) return send(request, reply, file, name.startsWith(HASHED));
    // A name with an ending is a file that there is not.
    if (extname(name) !== "") throw new Problem("not_found", "The page has no such file.");
    return send(request, reply, files.get(INDEX) as PageFile, false);
  });
}

function send(request: FastifyRequest, reply: FastifyReply, file: PageFile, isForEver: boolean) {
  const isZipped = file.zipped && /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""));
  if (file.zipped) addVary(reply, "accept-encoding");
  if (isZipped) reply.header("content-encoding", "gzip");
  return reply
    .header("content-type", file.type)
    .header("content-security-policy", POLICY)
    .header("x-content-type-options", "nosniff")
    .header("referrer-policy", "no-referrer")
    .header("cross-origin-opener-policy", "same-origin")
    .header("cache-control", isForEver ? "public, max-age=31536000, immutable" : "no-cache")
    .send(isZipped ? file.zipped : file.body);
}

async function readPage(folder: string, { isRegistrationOpen }: WebUses): Promise<PageFiles> {
  const files = new Map<string, PageFile>();
  for (const path of await readdir(folder, { recursive: true })) {
    const type = TYPES[extname(path)];
    if (type === undefined) continue;
    const name = path.replaceAll(sep, "/");
    let body: Buffer = await readFile(join(folder, path));
    if (name === INDEX) body = fill(body, isRegistrationOpen);
    files.set(name, { type, body, ...(await zipped(body, extname(path))) });
  }
  return files;
}

/** The little that the page must know before it has asked anything. */
const fill = (html: Buffer, isRegistrationOpen: boolean): Buffer =>
  Buffer.from(
    html
      .toString("utf8")
      .replace('data-registration=""', `data-registration="${isRegistrationOpen ? "open" : "closed"}"`),
  );

async function zipped(body: Buffer, ending: string): Promise<{ zipped?: Buffer }> {
  if (!IS_COMPRESSIBLE.has(ending)) return {};
  const small = await promisify(gzip)(body);
  return small.length < body.length ? { zipped: small } : {};
}
