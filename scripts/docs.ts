/**
 * Writes what is generated and committed: docs/reference and .env.example. With --check nothing is
 * written, and what is stale is named and fails.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { eventSchemas } from "../packages/sdk/src/contract/event-schemas.ts";
import { clientFrames, closeCodes, problems, serverFrames } from "../packages/sdk/src/contract/index.ts";
import { openApiDocument, type SchemaObject } from "../packages/sdk/src/contract/openapi.ts";
import { version } from "../packages/server/src/cli/version.ts";
import { renderConfigDocs, renderEnvExample } from "../packages/server/src/config/render.ts";

const root = join(import.meta.dirname, "..");
const files: Record<string, () => string> = {
  "docs/reference/config.md": renderConfigDocs,
  "docs/reference/problems.md": renderProblems,
  "docs/reference/events.md": renderEvents,
  "docs/reference/socket.md": renderSocket,
  "docs/reference/openapi.json": () => `${JSON.stringify(openApiDocument({ version }), null, 2)}\n`,
  ".env.example": renderEnvExample,
};

function renderProblems(): string {
  const rows = Object.entries(problems).map(
    ([code, [status, title, isRetryable]]) =>
      `| \`${code}\` | ${status} | ${title} | ${isRetryable ? "yes" : "no"} |`,
  );
  return `# Problems

An error is \`application/problem+json\` (RFC 9457): \`code\` says what it is, \`detail\` what to do, and
\`errors: [{path, message}]\` which fields do not fit. The same object ends a failed turn.

| code | status | meaning | worth a retry |
|---|---|---|---|
${rows.join("\n")}
`;
}

type Described = Readonly<Record<string, { summary: string; schema: object }>>;

/** A heading, a sentence and a table of fields for each event or frame. */
function describe(all: Described, heading = "##"): string {
  const parts = Object.entries(all).map(([type, { summary, schema }]) => {
    const { properties = {}, required = [] } = schema as SchemaObject;
    const rows = Object.entries(properties).map(([name, field]) => {
      const note = field.description ? ` ${field.description}` : "";
      return `| \`${name}\`${required.includes(name) ? "" : " (optional)"} | ${typeName(field)}.${note} |`;
    });
    return `${heading} ${type}\n\n${summary}.\n\n| field | |\n|---|---|\n${rows.join("\n")}\n`;
  });
  return parts.join("\n");
}

function renderSocket(): string {
  const codes = Object.entries(closeCodes).map(([code, text]) => `| ${code} | ${text}. |`);
  return `# The socket

\`GET /api/v2/realtime?ticket=\` is a WebSocket; the ticket comes from \`POST /api/v2/realtime/tickets\`. Every text
frame is one JSON object of at most 1 MiB. The server pings every half minute and closes a socket that does not answer.

## What a client sends

${describe(clientFrames, "###")}
## What the server sends

Beside these, the [events of turns](events.md) of every subscribed conversation. A client that does not read pauses
its events, which then go on from where it stopped; of the other frames none is left out, so at 256 KiB that wait the
socket is closed.

${describe(serverFrames, "###")}
## Why the server closes

| code | |
|---|---|
${codes.join("\n")}
`;
}

function renderEvents(): string {
  return `# Events of a turn

What \`GET /api/v2/turns/{turn_id}/events\` streams, and a send with \`Accept: text/event-stream\`. Over Server-Sent
Events the name of an event is its \`type\`, and its \`id\` is its \`cursor\`, where it has one. Over the
[socket](socket.md) an event is a frame.

${describe(eventSchemas)}`;
}

function typeName({ title, type, enum: values, const: value, format, anyOf, items }: SchemaObject): string {
  if (anyOf) return anyOf.map(typeName).join(" or ");
  if (items) return `list of ${typeName(items)}`;
  if (value !== undefined) return `\`${value}\``;
  if (values) return values.map((one) => `\`${one}\``).join(", ");
  return (
    title ??
    (format as string | undefined) ??
    { integer: "whole number", string: "text" }[String(type)] ??
    String(type)
  );
}

/** Null where there is no such file. */
function current(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

const isCheck = process.argv.includes("--check");
const stale = Object.entries(files).filter(([name, render]) => current(join(root, name)) !== render());
for (const [name, render] of stale) {
  if (isCheck) {
    console.error(`${name} is stale; \`npm run docs\` writes it.`);
    continue;
  }
  mkdirSync(dirname(join(root, name)), { recursive: true });
  writeFileSync(join(root, name), render());
  console.log(`wrote ${name}`);
}
if (isCheck && stale.length > 0) process.exitCode = 1;
