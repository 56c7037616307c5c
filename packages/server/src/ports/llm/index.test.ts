import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { manualClock } from "../../kit/clock.ts";
import { StartError } from "../../kit/start-error.ts";
import { knownProvider, type LlmConfig, llmCandidates, openConfiguredLlm, providerNames } from "./index.ts";

const config = (more: Partial<LlmConfig> = {}): LlmConfig => ({
  openaiBaseUrl: "https://api.openai.com/v1",
  lmstudioBaseUrl: "http://127.0.0.1:1234/v1",
  ...more,
});

const how = (more?: Partial<LlmConfig>) =>
  Object.fromEntries(llmCandidates(config(more)).map((candidate) => [candidate.name, candidate.how]));

test("every provider that may be looked for can be chosen by its name, and opened", async () => {
  expect(llmCandidates(config()).map(({ name }) => name)).toEqual(["lmstudio", "openai", "demo"]);
  for (const name of providerNames) {
    expect(knownProvider(name)).toBe(name);
    expect((await openConfiguredLlm(name, config(), manualClock())).name).toBe(name);
  }
});

test("an unknown provider stops the start with a sentence that names the known and the nearest", () => {
  expect(() => knownProvider("lm-studio")).toThrow(StartError);
  expect(() => knownProvider("lm-studio")).toThrow(
    'DEFAULT_LLM_PROVIDER must be openai, lmstudio, or demo, not "lm-studio"; did you mean lmstudio?',
  );
  expect(() => knownProvider("something-else")).toThrow(/not "something-else"\.$/);
});

test("OpenAI is taken by itself only where a key or another address is set", () => {
  expect(how()).toEqual({ lmstudio: "probed", openai: "on_request", demo: "stand_in" });
  expect(how({ openaiApiKey: "sk-x" }).openai).toBe("taken");
  expect(how({ openaiBaseUrl: "http://127.0.0.1:8080/v1" }).openai).toBe("taken");
});

test("the key goes to OpenAI's address alone", async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.headers.authorization}`);
    response.end(JSON.stringify({ data: [] }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const both = config({ openaiApiKey: "sk-x", openaiBaseUrl: baseUrl, lmstudioBaseUrl: baseUrl });
  try {
    await (await openConfiguredLlm("lmstudio", both, manualClock())).models(1_000);
    expect(new Set(asked)).toEqual(new Set(["undefined"]));
    await (await openConfiguredLlm("openai", both, manualClock())).models(1_000);
    expect(asked.at(-1)).toBe("Bearer sk-x");
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test.each([
  ["LM Studio", "lmstudio", {}, 120],
  ["a server on this machine", "openai", {}, 120],
  ["what the settings say", "openai", { llmFirstTokenTimeoutMs: 7_000 }, 7],
] as const)(
  "the first word of %s may take as long as its kind, or the setting, says",
  async (_who, name, more, seconds) => {
    const asked = Promise.withResolvers<void>();
    const server = createServer(() => asked.resolve()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    const clock = manualClock();
    const llm = await openConfiguredLlm(
      name,
      config({ openaiBaseUrl: baseUrl, lmstudioBaseUrl: baseUrl, ...more }),
      clock,
    );
    const request = { model: "m", messages: [], replyTokensMax: 10, settings: {} };
    const ended = llm.generate(request, () => {}, new AbortController().signal);
    await asked.promise;
    await clock.advance(1_000 * seconds);
    expect(await ended).toMatchObject({
      code: "provider_timeout",
      detail: expect.stringContaining(`${seconds} s`),
    });
    server.close();
    server.closeAllConnections();
  },
);
