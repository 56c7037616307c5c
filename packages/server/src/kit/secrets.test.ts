import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDataFolder } from "./data-folder.ts";
import { createControl, openSecrets } from "./secrets.ts";
import { StartError } from "./start-error.ts";

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "parley-secrets-"));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

const open = (configured?: string) => openSecrets({ dataDir, configured, random: randomBytes });

test("a secret is made once, for this user's eyes only, and is the same at every later start", () => {
  const first = open();
  expect(first.root).toHaveLength(32);
  expect(statSync(join(dataDir, "secrets.json")).mode & 0o777).toBe(0o600);
  const second = open();
  expect(Buffer.from(second.root).equals(first.root)).toBe(true);
  expect(second.control).not.toBe(first.control);
});

test("a configured secret is used and nothing is written", () => {
  const configured = "x".repeat(32);
  expect(Buffer.from(open(configured).root).toString()).toBe(configured);
  expect(() => readFileSync(join(dataDir, "secrets.json"))).toThrow("ENOENT");
});

test("a damaged secrets file stops the start in one sentence instead of signing everyone out", () => {
  writeFileSync(join(dataDir, "secrets.json"), '{"secret": "short"}');
  expect(() => open()).toThrow(StartError);
});

test("the control secret is recognised, and nothing else is", () => {
  const control = createControl({ secret: "right" });
  expect([control.allows("right"), control.allows("wrong"), control.allows("")]).toEqual([
    true,
    false,
    false,
  ]);
  expect(control.allows(undefined)).toBe(false);
});

test("a data folder is one process's at a time, and free again once released", () => {
  const path = join(dataDir, "deep", "data");
  const folder = openDataFolder(path);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(() => openDataFolder(path)).toThrow(/in use by another Parley/);
  folder.release();
  openDataFolder(path).release();
});

test("a data folder that cannot be one is refused in one sentence", () => {
  const file = join(dataDir, "file");
  writeFileSync(file, "");
  expect(() => openDataFolder(file)).toThrow(
    /cannot be written \(a file has that name\); set PARLEY_DATA_DIR/,
  );
  expect(() => openDataFolder(join(file, "below"))).toThrow(StartError);
});
