import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, normalize, relative } from "node:path";
import { expect, test } from "vitest";
import { build } from "./build.ts";

const root = join(import.meta.dirname, "..");
const LINES_MAX = 500;

const filesIn = (...patterns: string[]) =>
  globSync(patterns, { cwd: root, exclude: (name) => name === "node_modules" || name === "dist" });
const read = (file: string) => readFileSync(join(root, file), "utf8");

const all = filesIn("packages/**/*.{ts,tsx,js,css,html}", "scripts/*.{ts,js}", "*.ts");
const sources = filesIn("packages/*/src/**/*.{ts,tsx}").filter((file) => !/\.test\.tsx?$/.test(file));
/** Suites and fixtures run in tests alone, beside the technologies that they try. */
const isTestHelper = (file: string) => /(conformance|fixture|test-entry)(\.\w+)?\.ts$/.test(file);

interface Import {
  /** From the root of the project, or the name of a package as it is written. */
  target: string;
  isType: boolean;
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\s+from\s+)?"([^"]+)"|import\("([^"]+)"\)/g;

function importsOf(file: string): Import[] {
  return [...read(file).matchAll(IMPORT)].map(([, type, written, lazy]) => {
    const name = (written ?? lazy) as string;
    return {
      target: name.startsWith(".") ? normalize(join(dirname(file), name)) : name,
      isType: type !== undefined,
    };
  });
}

const server = "packages/server/src";
const contract = /^@parley-chat\/sdk\/contract/;
const kit = new RegExp(`^${server}/kit/`);
const portInterface = new RegExp(`^${server}/ports/([^/]+)/(\\1|tables)\\.ts$`);
const library = /^(?!packages\/|@parley-chat\/)[a-z@][^:]*$/;
const node = /^node:/;
const own = (file: string, depth: number) => new RegExp(`^${file.split("/").slice(0, depth).join("/")}/`);

type Allows = (target: Import) => boolean;
const oneOf =
  (...patterns: RegExp[]): Allows =>
  ({ target }) =>
    patterns.some((pattern) => pattern.test(target));
const typesOf =
  (pattern: RegExp): Allows =>
  ({ target, isType }) =>
    isType && pattern.test(target);

/** What each part of the house may import: the table of ARCHITECTURE.md. */
const arrows: readonly [where: RegExp, allowed: (file: string) => Allows[]][] = [
  [/^packages\/sdk\/src\/contract\//, (file) => [oneOf(own(file, 4), /^typebox/)]],
  [/^packages\/sdk\/src\//, (file) => [oneOf(own(file, 3))]],
  [/^packages\/web\/src\//, (file) => [oneOf(own(file, 3), /^@parley-chat\/sdk$/, library)]],
  [kit, () => [oneOf(kit, node, /^@parley-chat\/sdk\/contract\/problem$/, library), typesOf(contract)]],
  [portInterface, (file) => [oneOf(own(file, 5)), typesOf(contract), typesOf(library)]],
  [
    new RegExp(`^${server}/ports/`),
    (file) => [oneOf(own(file, 5), kit, node, contract, portInterface, library)],
  ],
  [
    new RegExp(`^${server}/modules/`),
    (file) => [oneOf(own(file, 5), kit, node, contract, portInterface, library)],
  ],
  [
    new RegExp(`^${server}/(surfaces|roles)/`),
    (file) => [
      oneOf(own(file, 5), /\/surfaces\/[^/]+\.ts$/, kit, node, contract, portInterface, library),
      typesOf(/\/modules\//),
    ],
  ],
  [new RegExp(`^${server}/config`), () => [oneOf(new RegExp(`^${server}/config`), kit, node)]],
  [
    new RegExp(`^${server}/cli/`),
    () => [
      oneOf(
        new RegExp(`^${server}/(cli/|config|compose(\\.ts$|/))`),
        kit,
        node,
        /package\.json$/,
        /^@parley-chat\/sdk$/,
        /\/ports\/[^/]+\/examine\.ts$/,
      ),
    ],
  ],
  [new RegExp(`^${server}/compose(\\.ts$|/)`), () => [({ target }) => !target.endsWith("/main.ts")]],
  [new RegExp(`^${server}/main\\.ts$`), () => [oneOf(new RegExp(`^${server}/cli/`))]],
];

test("imports follow the arrows of the house", () => {
  const strays: string[] = [];
  for (const file of sources.filter((name) => !isTestHelper(name))) {
    const rule = arrows.find(([where]) => where.test(file));
    if (!rule) {
      strays.push(`${file} has no place in the house`);
      continue;
    }
    const allowed = rule[1](file);
    for (const target of importsOf(file)) {
      if (!allowed.some((allows) => allows(target))) strays.push(`${file} -> ${target.target}`);
    }
  }
  expect(strays).toEqual([]);
});

/** The faults of a provider are outside too: its port is tested against the same ones. */
const FAULTS = "packages/server/src/ports/llm/openai/faults/";

test("journeys see the product from outside", () => {
  const inside = filesIn("packages/server/test/**/*.ts").flatMap((file) =>
    importsOf(file)
      .filter(({ target }) => target.includes("/src/") && !target.startsWith(FAULTS))
      .map(({ target }) => `${file} -> ${target}`),
  );
  expect(inside).toEqual([]);
});

test("there are no import cycles", () => {
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
    if (done.has(file) || path.includes(file)) return;
    for (const { target, isType } of importsOf(file)) {
      if (!isType && sources.includes(target)) visit(target, [...path, file]);
    }
    done.add(file);
  };
  for (const file of sources) visit(file, []);
  expect(cycles).toEqual([]);
});

test(`no file is longer than ${LINES_MAX} lines`, () => {
  const long = all.filter((file) => read(file).split("\n").length - 1 > LINES_MAX);
  expect(long).toEqual([]);
});

test("nothing is left for later, silenced or switched off", () => {
  const marks = new RegExp(
    [
      "TO" + "DO",
      "FIX" + "ME",
      "@ts-(ignore|expect-error|nocheck)",
      "\\bas any\\b",
      "\\b(test|it|describe)\\.(only|skip)\\b",
    ].join("|"),
  );
  const marked = all.filter((file) => marks.test(read(file)));
  expect(marked.filter((file) => file !== relative(root, import.meta.filename))).toEqual([]);
});

test("only config.ts reads the environment", () => {
  const readers = sources.filter((file) => /process\.env\b/.test(read(file)));
  expect(readers).toEqual([`${server}/config.ts`]);
});

test('no start pays for Node\'s fetch: "node:http" is imported for its types alone', () => {
  const paying = sources
    .filter((file) => file.startsWith(server) && !isTestHelper(file))
    .filter((file) => importsOf(file).some(({ target, isType }) => target === "node:http" && !isType));
  expect(paying).toEqual([]);
});

test("a production start has no failpoints to arm (R18)", async () => {
  const dist = mkdtempSync(join(tmpdir(), "parley-build-"));
  try {
    await build(dist);
    const parts = globSync("**/*.js", { cwd: dist });
    expect(parts).toContain("parley.js");
    const armed = parts.filter((part) =>
      /armFailpoints\(|SIGSTOP/.test(readFileSync(join(dist, part), "utf8")),
    );
    expect(armed).toEqual([]);
    const started = spawnSync(
      process.execPath,
      [join(dist, "parley.js"), "start", "--failpoint", "k04:kill"],
      {
        encoding: "utf8",
      },
    );
    expect(started.status).toBe(1);
    expect(started.stderr).toMatch(/^parley: There is no option --failpoint/);
  } finally {
    rmSync(dist, { recursive: true, force: true });
  }
});
