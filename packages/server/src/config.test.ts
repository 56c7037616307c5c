import { expect, test } from "vitest";
import { renderConfig, renderConfigDocs, renderEnvExample } from "./config/render.ts";
import { readConfig, settings } from "./config.ts";

const complaintsOf = (env: Record<string, string>, dotEnv: Record<string, string> = {}) => {
  try {
    readConfig({ env, dotEnv });
    return [];
  } catch (error) {
    return (error as Error).message.split("\n");
  }
};

test("with nothing set, every embedded default is selected", () => {
  const { config } = readConfig({ env: {} });
  expect(config).toMatchObject({
    environment: "development",
    host: "127.0.0.1",
    port: 8666,
    dataDir: "./data",
    isLoopback: true,
    registration: "open",
    ownerEmail: "owner@parley.local",
    trustedProxies: [],
    allowedOrigins: [],
    messagesPerMinuteMax: 100,
    contextTokensMax: 32_000,
    replyTokensMax: 1_024,
    llmCallTimeoutMs: 600_000,
    drainTimeoutMs: 10_000,
  });
  expect(config.llmConnectTimeoutMs).toBeUndefined();
  expect(config.apiKey).toBeUndefined();
  expect(Object.isFrozen(config)).toBe(true);
});

test("the environment wins over .env, and an empty value is an absent one", () => {
  const { config, sources } = readConfig({
    env: { PORT: "9000", DEFAULT_MODEL: "", HOST: undefined },
    dotEnv: { PORT: "9001", DEFAULT_MODEL: "m", HOST: "::1", PARLEY_PUBLIC_URL: "https://a.example/ " },
  });
  expect(config).toMatchObject({ port: 9000, host: "::1", publicUrl: "https://a.example" });
  expect(config.model).toBeUndefined();
  expect([sources.get("PORT"), sources.get("HOST"), sources.get("API_KEY")]).toEqual([
    "environment",
    ".env",
    "default",
  ]);
});

test("registration is open on loopback and closed elsewhere, unless it is set", () => {
  const registration = (env: Record<string, string>) => readConfig({ env }).config.registration;
  expect(["127.0.0.1", "localhost", "::1", "127.8.0.1"].map((HOST) => registration({ HOST }))).toEqual(
    Array(4).fill("open"),
  );
  expect(registration({ HOST: "0.0.0.0" })).toBe("closed");
  expect(registration({ HOST: "127.evil.example" })).toBe("closed");
  expect(registration({ HOST: "0.0.0.0", PARLEY_REGISTRATION: "open" })).toBe("open");
});

test.each([
  [
    { PARLEY_DATADIR: "x" },
    "PARLEY_DATADIR (in the environment) is not a setting; did you mean PARLEY_DATA_DIR?",
  ],
  [
    { PARLEY_ZZZZZZZZZZZZ: "1" },
    "PARLEY_ZZZZZZZZZZZZ (in the environment) is not a setting; `parley config docs` lists them all.",
  ],
  [{ PORT: "http" }, 'PORT must be a whole number from 0 to 65535, not "http".'],
  [{ PORT: "1e3" }, 'PORT must be a whole number from 0 to 65535, not "1e3".'],
  [
    { PARLEY_LOG_LEVEL: "inof" },
    'PARLEY_LOG_LEVEL must be silent, fatal, error, warn, info, debug or trace (did you mean info?), not "inof".',
  ],
  [
    { OPENAI_BASE_URL: "localhost:1234" },
    'OPENAI_BASE_URL must be an http or https address, such as http://localhost:1234, not "localhost:1234".',
  ],
  [
    { PARLEY_TRUSTED_PROXIES: "10.0.0.0/8, proxy" },
    'PARLEY_TRUSTED_PROXIES must be IP addresses or networks, separated by commas, not "10.0.0.0/8, proxy".',
  ],
  [
    { ALLOWED_ORIGINS: "https://a.example/" },
    'ALLOWED_ORIGINS must be origins such as https://example.org, or *, separated by commas, not "https://a.example/".',
  ],
  [{ PARLEY_OWNER_EMAIL: "me" }, 'PARLEY_OWNER_EMAIL must be an e-mail address, not "me".'],
])("a wrong setting is one sentence that names it and what is allowed: %o", (env, sentence) => {
  expect(complaintsOf(env as Record<string, string>)).toEqual([sentence]);
});

test("everything that is wrong is said at once, and a secret's value is never repeated", () => {
  const complaints = complaintsOf({ PORT: "x", PARLEY_SECRET: "hunter2" }, { PARLEY_NOPE: "1" });
  expect(complaints).toHaveLength(3);
  expect(complaints.join()).not.toContain("hunter2");
  expect(complaints.join()).toContain("PARLEY_SECRET needs 32 characters or more");
});

test("production asks for secrets that are set and long", () => {
  const secret = "s".repeat(32);
  expect(complaintsOf({ ENVIRONMENT: "production" })).toEqual([
    expect.stringContaining("PARLEY_SECRET must be set"),
  ]);
  expect(complaintsOf({ ENVIRONMENT: "production", PARLEY_SECRET: secret, API_KEY: "short" })).toEqual([
    "API_KEY needs 16 characters or more in production.",
  ]);
  expect(complaintsOf({ ENVIRONMENT: "production", PARLEY_SECRET: secret, API_KEY: "k".repeat(16) })).toEqual(
    [],
  );
  expect(complaintsOf({ API_KEY: "short" })).toEqual([]);
});

test("what is printed masks secrets and names each value's source", () => {
  const printed = renderConfig(
    readConfig({ env: { API_KEY: "hunter2", PORT: "1" }, dotEnv: { HOST: "::1" } }),
  );
  expect(printed).not.toContain("hunter2");
  expect(printed).toMatch(/^API_KEY=\*{8} +# environment$/m);
  expect(printed).toMatch(/^HOST=::1 +# \.env$/m);
  expect(printed).toMatch(/^#DEFAULT_MODEL= +# default: the first chat model that the provider lists$/m);
  expect(printed).toMatch(/^#PARLEY_LLM_CONNECT_TIMEOUT_MS= +# default: 3000$/m);
  expect(printed).toMatch(/^PARLEY_REGISTRATION=open +# default$/m);
});

test("the reference and the example name every setting", () => {
  for (const { name, about } of Object.values(settings)) {
    expect(about).toMatch(/^[A-Z].*\.$/);
    expect(renderConfigDocs()).toContain(`| \`${name}\` |`);
    expect(renderEnvExample()).toContain(`\n#${name}=`);
  }
});
