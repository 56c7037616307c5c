import { contract } from "@parley-chat/sdk/contract";
import { openApiDocument } from "@parley-chat/sdk/contract/openapi";
import { problems } from "@parley-chat/sdk/contract/problem";
import { expect, test } from "vitest";
import { problemsPage, referencePage } from "./reference-page.ts";

const html = referencePage(openApiDocument({ version: "1.2.3" }));
const idsIn = (page: string) => [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);

test("every call, schema and problem has a place of its own on the page", () => {
  const ids = idsIn(html);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [noun, routes] of Object.entries(contract)) {
    for (const name of Object.keys(routes)) expect(ids).toContain(`${noun}.${name}`);
  }
  for (const code of Object.keys(problems)) expect(ids).toContain(code);
});

test("every link on the page leads somewhere on it", () => {
  const ids = new Set(idsIn(html));
  for (const [, target] of html.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target);
});

test("the page needs no script and nothing from another place", () => {
  expect(html).not.toMatch(/<script|\bon\w+=|https?:\/\/|@import|url\(/);
});

test("the address that a problem's type names shows that problem", () => {
  for (const code of Object.keys(problems)) expect(idsIn(problemsPage())).toContain(code);
});
