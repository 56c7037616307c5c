import { eventSchemas } from "@parley-chat/sdk/contract/event-schemas";
import type {
  Answer,
  OpenApiDocument,
  Operation,
  Parameter,
  SchemaObject,
} from "@parley-chat/sdk/contract/openapi";
import { problems } from "@parley-chat/sdk/contract/problem";
import { page } from "./page-frame.ts";

type Entry = readonly [method: string, path: string, operation: Operation];

/** The reference of the API as one static page, made from its document: no script, nothing from elsewhere. */
export function referencePage(document: OpenApiDocument): string {
  const entries = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Entry => [method, path, operation]),
  );
  const groups = document.tags.map(({ name }) => ({
    name,
    entries: entries.filter(([, , { tags }]) => tags.includes(name)),
  }));
  const schemas = Object.entries(document.components.schemas);
  return page({
    title: `Parley ${document.info.version}: API reference`,
    nav: [
      ...groups.map(({ name, entries: inGroup }) => navGroup(name, inGroup)),
      navLinks("events", [["events", "Events of a turn"]]),
      navLinks("problems", [["problems", "What can go wrong"]]),
      navLinks(
        "schemas",
        schemas.map(([name]) => [schemaId(name), name]),
      ),
    ].join(""),
    main: [
      intro(document),
      ...groups.map(
        ({ name, entries: inGroup }) => `<h2 id="${name}">${name}</h2>${inGroup.map(callSection).join("")}`,
      ),
      eventsSection(),
      problemsSection(),
      `<h2 id="schemas">schemas</h2>${schemas.map(([name, schema]) => schemaSection(name, schema)).join("")}`,
    ].join(""),
  });
}

/** The page that the `type` of a problem names: every code with its meaning. */
export function problemsPage(): string {
  return page({ title: "Parley: what can go wrong", nav: "", main: problemsSection() });
}

const intro = ({ info }: OpenApiDocument) => `<h1>Parley API <small>${plain(info.version)}</small></h1>
<p>${inline(info.description)}</p>
<p>Sign in with <code>POST /api/v2/sessions</code> and send what it gives as <code>Authorization: Bearer …</code>,
or make a key with <code>POST /api/v2/keys</code> and send that as <code>X-API-Key</code>. For programs:
<a href="/api/v2/openapi.json">OpenAPI 3.1</a>.</p>`;

function navGroup(name: string, entries: readonly Entry[]): string {
  const links = entries.map(
    ([method, path, { operationId }]) =>
      `<li><a href="#${operationId}">${badge(method)} <span>${plain(shortPath(path))}</span></a></li>`,
  );
  return `<section><h2><a href="#${name}">${name}</a></h2><ul>${links.join("")}</ul></section>`;
}

function navLinks(title: string, links: readonly (readonly [id: string, text: string])[]): string {
  const items = links.map(([id, text]) => `<li><a href="#${id}">${plain(text)}</a></li>`);
  return `<section><h2>${title}</h2><ul>${items.join("")}</ul></section>`;
}

const shortPath = (path: string) => path.replace("/api/v2", "").replace(/\{\w+\}/g, "{id}");
const badge = (method: string) => `<b class="method ${method}">${method.toUpperCase()}</b>`;

function callSection([method, path, operation]: Entry): string {
  const { operationId, summary, description, parameters, requestBody, responses } = operation;
  const body = Object.values(requestBody?.content ?? {})[0]?.schema;
  return `<article id="${operationId}">
<h3>${badge(method)} <a href="#${operationId}"><code>${pathText(path)}</code></a></h3>
<p>${plain(summary)}. <span class="access">${accessText(operation)}</span></p>
${description === undefined ? "" : `<p>${inline(description)}</p>`}
${parameters.length > 0 ? `<h4>Parameters</h4>${parameterTable(parameters)}` : ""}
${body ? `<h4>Body${requestBody?.required ? "" : " (optional)"}</h4>${schemaHtml(body)}` : ""}
<h4>Answers</h4>${answersHtml(responses)}
</article>`;
}

const pathText = (path: string) =>
  plain(path)
    .replaceAll("/", "/<wbr>")
    .replace(/\{\w+\}/g, "<var>$&</var>");

function accessText({ "x-access": access }: Operation): string {
  if (access === "public") return "Open to everyone.";
  if (access === "signed_in") return "For everyone signed in.";
  return `For sessions, and keys with the scope <code>${access}</code>.`;
}

function parameterTable(parameters: readonly Parameter[]): string {
  const rows = parameters.map(
    ({ name, in: place, required, schema, description }) =>
      `<tr><th><code>${plain(name)}</code>${required ? "" : " <i>optional</i>"}</th>
<td>${place}</td><td>${typeText(schema)}${noteText(description ?? schema.description)}</td></tr>`,
  );
  return `<div class="wide"><table>${rows.join("")}</table></div>`;
}

function answersHtml(responses: Readonly<Record<string, Answer>>): string {
  const all = Object.entries(responses);
  const good = all.filter(([, answer]) => !answer["x-problem-codes"]);
  const rows = good.map(([status, { description, content }]) => {
    const [type, media] = Object.entries(content ?? {})[0] ?? [];
    const isStream = type === "text/event-stream";
    const what = media ? `${isStream ? "stream of " : ""}${typeText(media.schema)}` : "";
    return `<li><b class="status">${status}</b> ${plain(description)}${what && `: ${what}`}</li>`;
  });
  const codes = all.flatMap(([, answer]) => answer["x-problem-codes"] ?? []);
  const links = codes.map((code) => `<a href="#${code}"><code>${code}</code></a> ${problems[code][0]}`);
  const failed =
    codes.length > 0 ? `<details><summary>Problems</summary><p>${links.join(" · ")}</p></details>` : "";
  return `<ul class="answers">${rows.join("")}</ul>${failed}`;
}

const schemaId = (name: string) => `schema-${name}`;

const schemaSection = (name: string, schema: SchemaObject) =>
  `<article id="${schemaId(name)}"><h3><a href="#${schemaId(name)}">${name}</a></h3>${
    schema.description ? `<p>${inline(schema.description)}</p>` : ""
  }${schemaHtml(schema)}</article>`;

/** An object as a table of its fields, a choice of objects as one table after another, else one line. */
function schemaHtml(schema: SchemaObject): string {
  if (schema.properties) return fieldTable(schema);
  if (schema.anyOf?.some(({ properties }) => properties)) {
    return schema.anyOf.map(schemaHtml).join('<p class="or">or</p>');
  }
  return `<p>${typeText(schema)}</p>`;
}

function fieldTable(schema: SchemaObject): string {
  const fields = Object.entries(schema.properties ?? {});
  if (fields.length === 0) return "<p>An empty object.</p>";
  const rows = fields.map(
    ([name, field]) =>
      `<tr><th><code>${plain(name)}</code>${schema.required?.includes(name) ? "" : " <i>optional</i>"}</th>
<td>${typeText(field)}${noteText(field.description)}</td></tr>`,
  );
  const more = schema.additionalProperties === true ? "<p><i>Other fields are kept.</i></p>" : "";
  return `<div class="wide"><table>${rows.join("")}</table></div>${more}`;
}

const noteText = (text: string | undefined) => (text ? `<br><small>${inline(text)}</small>` : "");

/** A type in words: `text of 1 to 100`, `list of Message`, `one of "a", "b"`. */
function typeText(schema: SchemaObject): string {
  if (schema.$ref) {
    const name = schema.$ref.split("/").at(-1) as string;
    return `<a href="#${schemaId(name)}">${plain(name)}</a>`;
  }
  if (schema.anyOf) return schema.anyOf.map(typeText).join(" or ");
  if (schema.const !== undefined) return `<code>${plain(JSON.stringify(schema.const))}</code>`;
  if (schema.enum) return schema.enum.map((value) => `<code>${plain(String(value))}</code>`).join(" or ");
  if (schema.type === "array") return `list of ${typeText(schema.items ?? {})}${rangeText(schema, "Items")}`;
  if (schema.type === "object") return objectText(schema);
  if (schema.type === "null") return "null";
  if (schema.type === "string")
    return `${FORMATS[String(schema.format)] ?? "text"}${rangeText(schema, "Length")}`;
  if (schema.type === "integer") return `whole number${rangeText(schema, "imum")}`;
  if (schema.type === "number") return `number${rangeText(schema, "imum")}`;
  return schema.type === "boolean" ? "true or false" : "anything";
}

const FORMATS: Record<string, string> = { uuid: "id", "date-time": "time" };

function objectText({ properties, required, additionalProperties }: SchemaObject): string {
  if (!properties) {
    return typeof additionalProperties === "object" && Object.keys(additionalProperties).length > 0
      ? `object of ${typeText(additionalProperties)}`
      : "object";
  }
  const fields = Object.entries(properties).map(
    ([name, field]) => `<code>${plain(name)}${required?.includes(name) ? "" : "?"}</code> ${typeText(field)}`,
  );
  return `{ ${fields.join(", ")} }`;
}

/** Bounds, told by the keywords `min…` and `max…` that end in the given way. */
function rangeText(schema: SchemaObject, ending: string): string {
  const [min, max, preset] = [schema[`min${ending}`], schema[`max${ending}`], schema.default];
  const range =
    min !== undefined && max !== undefined
      ? `${number(min)} to ${number(max)}`
      : max !== undefined
        ? `at most ${number(max)}`
        : min !== undefined
          ? `at least ${number(min)}`
          : "";
  const texts = [range, preset === undefined ? "" : `else ${String(preset)}`].filter(Boolean);
  return texts.length > 0 ? ` <span class="range">(${texts.join(", ")})</span>` : "";
}

const number = (value: unknown) => Number(value).toLocaleString("en-US");

function eventsSection(): string {
  const articles = Object.entries(eventSchemas).map(
    ([type, { summary, schema }]) =>
      `<li><a href="#${schemaId((schema as object as SchemaObject).title ?? "")}"><code>${type}</code></a> ${plain(summary)}</li>`,
  );
  return `<h2 id="events">events</h2><article><p>A turn is followed by <code>GET /api/v2/turns/{turn_id}/events</code>, or by
sending a message with <code>Accept: text/event-stream</code>. The name of each event is its <code>type</code>; its
<code>id</code> is the cursor to resume from, as <code>Last-Event-ID</code> or <code>?after=</code>.</p>
<ol>${articles.join("")}</ol></article>`;
}

function problemsSection(): string {
  const rows = Object.entries(problems).map(
    ([code, [status, title, isRetryable]]) =>
      `<tr id="${code}"><th><code>${code}</code></th><td>${status}</td><td>${plain(title)}</td>
<td>${isRetryable ? "try again later" : ""}</td></tr>`,
  );
  return `<h2 id="problems">problems</h2><article><p>An error is <code>application/problem+json</code>: <code>code</code> says
what it is, <code>detail</code> what to do, <code>errors</code> which fields do not fit.</p>
<div class="wide"><table>${rows.join("")}</table></div></article>`;
}

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const plain = (text: string) => text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
/** Escapes, and shows what stands between backticks as code. */
const inline = (text: string) => plain(text).replace(/`([^`]+)`/g, "<code>$1</code>");
