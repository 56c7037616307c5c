import { expect, test } from "vitest";
import { contract } from "./index.ts";
import { openApiDocument, type SchemaObject } from "./openapi.ts";

const document = openApiDocument({ version: "1.2.3" });
const operations = Object.values(document.paths).flatMap((path) => Object.values(path));

test("every route of the contract is in the document, each under a name of its own", () => {
  const names = operations.map(({ operationId }) => operationId);
  for (const [noun, routes] of Object.entries(contract)) {
    for (const name of Object.keys(routes)) expect(names).toContain(`${noun}.${name}`);
  }
  expect(names).toContain("turns.events");
  expect(new Set(names).size).toBe(names.length);
});

test("every reference leads to a component, and every component is referred to", () => {
  const text = JSON.stringify(document);
  const referred = new Set([...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name));
  expect([...referred].sort()).toEqual(Object.keys(document.components.schemas).sort());
});

test("a route says who may call it, what it takes and what can go wrong", () => {
  const send = document.paths["/api/v2/conversations/{conversation_id}/messages"]?.post;
  expect(send).toMatchObject({ "x-access": "chat", security: [{ bearer: [] }, { api_key: [] }] });
  expect(send?.parameters.map(({ name }) => name)).toEqual([
    "conversation_id",
    "Idempotency-Key",
    "Last-Event-ID",
  ]);
  expect(Object.keys(send?.responses ?? {})).toEqual([
    "200",
    "201",
    "202",
    "400",
    "401",
    "403",
    "404",
    "409",
    "413",
    "415",
    "422",
    "429",
    "500",
    "503",
  ]);
  expect(send?.responses[200]?.content).toHaveProperty(["text/event-stream"]);
  expect(send?.responses[409]?.["x-problem-codes"]).toContain("conversation_busy");
  const create = document.paths["/api/v2/users"]?.post;
  expect(create).toMatchObject({ "x-access": "public", security: [] });
});

test("the document is plain JSON: nothing is lost on its way over the wire", () => {
  expect(JSON.parse(JSON.stringify(document))).toEqual(document);
});

test("free objects are told by additionalProperties alone", () => {
  const walk = (schema: SchemaObject): void => {
    expect(schema).not.toHaveProperty("patternProperties");
    for (const part of Object.values(schema.properties ?? {})) walk(part);
  };
  for (const schema of Object.values(document.components.schemas)) walk(schema);
});
