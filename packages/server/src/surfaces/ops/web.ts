import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { FastifyInstance, FastifyReply } from "fastify";

const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
};

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** Serves the web page's files at `/app/`: a fixed list of names, read once each. */
export function serveWeb(app: FastifyInstance): void {
  const folder = join(
    dirname(createRequire(import.meta.url).resolve("@parley-chat/web/package.json")),
    "static",
  );
  const files = new Map<string, Promise<Buffer>>();
  const send = async (reply: FastifyReply, name: string) => {
    let file = files.get(name);
    if (!file) {
      file = readFile(join(folder, name));
      files.set(name, file);
    }
    return reply
      .header("content-type", TYPES[name.split(".").at(-1) as string] ?? "application/octet-stream")
      .header("content-security-policy", POLICY)
      .header("x-content-type-options", "nosniff")
      .header("referrer-policy", "no-referrer")
      .header("cache-control", "no-cache")
      .send(await file);
  };
  app.get("/app", (_request, reply) => reply.redirect("/app/"));
  for (const path of ["/app/", "/app/sign-in"]) app.get(path, (_request, reply) => send(reply, "index.html"));
  for (const name of ["app.css", "app.js"]) app.get(`/app/${name}`, (_request, reply) => send(reply, name));
}
