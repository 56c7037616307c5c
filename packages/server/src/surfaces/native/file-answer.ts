import type { FileAnswer } from "@parley-chat/sdk/contract";
import type { FastifyReply, FastifyRequest } from "fastify";
import { addVary } from "../vary.ts";

/**
 * Sends a file so that nothing in it can run, whoever opens it: no sniffing, no scripts, no frames of
 * another site. Only a cache of the caller's own keeps it, apart for each credential; `If-None-Match`
 * is answered without reading the file.
 */
export async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  file: FileAnswer,
): Promise<FastifyReply> {
  const tag = file.tag === undefined ? undefined : `"${file.tag}"`;
  addVary(reply, "authorization, x-api-key");
  reply
    .header("cache-control", file.freshS ? `private, max-age=${file.freshS}` : "private, no-cache")
    .header("x-content-type-options", "nosniff")
    .header("content-security-policy", "default-src 'none'; sandbox")
    .header("cross-origin-resource-policy", "same-origin")
    .header("referrer-policy", "no-referrer");
  if (tag !== undefined) reply.header("etag", tag);
  if (tag !== undefined && matches(request.headers["if-none-match"], tag)) return reply.code(304).send();
  if (file.name !== undefined) reply.header("content-disposition", attachment(file.name));
  const bytes = await file.read();
  return reply
    .code(200)
    .header("content-type", file.type)
    .send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

/** `If-None-Match` of RFC 9110: one or several tags, weak ones too, or `*`. */
const matches = (header: string | undefined, tag: string): boolean =>
  header !== undefined &&
  (header.trim() === "*" || header.split(",").some((one) => one.trim().replace(/^W\//, "") === tag));

/** RFC 6266: a plain name for old readers and the real one in UTF-8. */
function attachment(name: string): string {
  const plain = name.replace(/[^\w .-]+/g, "_");
  const encoded = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16)}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
