/**
 * Writes what is generated and committed: docs/reference and .env.example. With --check nothing is
 * written, and what is stale is named and fails.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { eventSchemas } from "../packages/sdk/src/contract/event-schemas.ts";
import { problems } from "../packages/sdk/src/contract/index.ts";
import { openApiDocument, type SchemaObject } from "../packages/sdk/src/contract/openapi.ts";
import { version } from "../packages/server/src/cli/version.ts";
import { renderConfigDocs, renderEnvExample } from "../packages/server/src/config/render.ts";

const root = join(import.meta.dirname, "..");
const files: Record<string, () => string> = {
  "docs/reference/config.md": renderConfigDocs,
  "docs/reference/problems.md": renderProblems,
  "docs/reference/events.md": renderEvents,
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

function renderEvents(): string {
  const parts = Object.entries(eventSchemas).map(([type, { summary, schema }]) => {
    const { properties = {}, required = [] } = schema as object as SchemaObject;
    const rows = Object.entries(properties).map(([name, field]) => {
      const note = field.description ? ` ${field.description}` : "";
      return `| \`${name}\`${required.includes(name) ? "" : " (optional)"} | ${typeName(field)}.${note} |`;
    });
    return `## ${type}\n\n${summary}.\n\n| field | |\n|---|---|\n${rows.join("\n")}\n`;
  });
  return `# Events of a turn

What \`GET /api/v2/turns/{turn_id}/events\` streams, and a send with \`Accept: text/event-stream\`. Over Server-Sent
Events the name of an event is its \`type\`, and its \`id\` is its \`cursor\`, where it has one.

${parts.join("\n")}`;
}

function typeName({ title, type, enum: values, const: value, format }: SchemaObject): string {
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
