import type { CallContext, SignedInContext } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { expect, test } from "vitest";
import { manualClock } from "../../kit/clock.ts";
import type { Llm, LlmModel } from "../../ports/llm/llm.ts";
import { type Candidate, createModels, type ModelsUses } from "./models.ts";

const down = (name: string) => new Problem("provider_unavailable", `${name} does not answer.`);

interface Fake {
  llm: Llm;
  /** What it lists now; null while it is down. */
  models: LlmModel[] | null;
  /** How often it was asked, and how often at once. */
  asked: number;
  atOnce: number;
  timeouts: number[];
}

function fake(name: string, models: LlmModel[] | null): Fake {
  let open = 0;
  const self: Fake = {
    models,
    asked: 0,
    atOnce: 0,
    timeouts: [],
    llm: {
      name,
      address: name === "demo" ? null : `http://${name}.test/v1`,
      generate: async () => ({ kind: "aborted" }),
      async models(timeoutMs) {
        self.asked++;
        self.timeouts.push(timeoutMs);
        self.atOnce = Math.max(self.atOnce, ++open);
        await null;
        open--;
        if (!self.models) throw down(name);
        return self.models;
      },
    },
  };
  return self;
}

const model = (id: string, contextTokens: number | null = null): LlmModel => ({ id, contextTokens });

interface Given {
  factors?: Record<string, number>;
  lmstudio?: LlmModel[] | null;
  openai?: LlmModel[] | null;
  setting?: string;
  defaultModel?: string;
  openaiHow?: Candidate["how"];
}

function setUp({ lmstudio = null, openai = null, openaiHow = "on_request", ...given }: Given = {}) {
  const clock = manualClock();
  const fakes = {
    lmstudio: fake("lmstudio", lmstudio),
    openai: fake("openai", openai),
    demo: fake("demo", [model("demo", 32_000)]),
  };
  const opened: string[] = [];
  const changes: string[] = [];
  const candidates: ModelsUses["candidates"] = [
    { name: "lmstudio", title: "LM Studio", how: "probed", why: "found by itself" },
    { name: "openai", title: "OpenAI", how: openaiHow, why: "OPENAI_API_KEY is set" },
    { name: "demo", title: "The built-in demo", how: "stand_in", why: "no provider was found" },
  ];
  const models = createModels({
    candidates,
    calibration: { factor: (id) => given.factors?.[id] ?? 1 },
    setting: given.setting,
    async open(name) {
      opened.push(name);
      return fakes[name as keyof typeof fakes].llm;
    },
    defaultModel: given.defaultModel,
    contextTokensMax: 32_000,
    clock,
    onChange: (line) => changes.push(line),
  });
  const list = () => models.list({}, { principal: {} } as CallContext as SignedInContext);
  const provider = async () => (await models.choose(undefined)).llm.name;
  return { models, clock, fakes, opened, changes, list, provider };
}

test("LM Studio is taken where it answers within 300 ms, before a key", async () => {
  const { models, fakes, provider } = setUp({
    lmstudio: [model("gemma")],
    openai: [model("gpt")],
    openaiHow: "taken",
  });
  expect(await provider()).toBe("lmstudio");
  expect(fakes.lmstudio.timeouts[0]).toBe(300);
  expect(await models.describe()).toEqual({
    what: "LM Studio at http://lmstudio.test/v1 (found by itself)",
    trouble: null,
  });
});

test("OpenAI is taken where a key is set, and never without one", async () => {
  const keyed = setUp({ openai: [model("gpt")], openaiHow: "taken" });
  expect(await keyed.provider()).toBe("openai");
  expect((await keyed.models.describe()).what).toContain("OPENAI_API_KEY is set");
  const keyless = setUp({ openai: [model("gpt")] });
  expect(await keyless.provider()).toBe("demo");
  expect(keyless.fakes.openai.asked).toBe(0);
});

test("demo stands in where nothing is found, and the code of others is not loaded for nothing", async () => {
  const { models, opened } = setUp();
  expect(await models.choose(undefined)).toMatchObject({ model: "demo", contextTokens: 32_000 });
  expect(opened).toEqual(["lmstudio", "demo"]);
  expect((await models.describe()).what).toBe("The built-in demo (no provider was found)");
});

test("the setting decides alone: what it names is used and nothing else is asked", async () => {
  const { provider, fakes, models, clock } = setUp({ lmstudio: [model("gemma")], setting: "demo" });
  models.start();
  expect(await provider()).toBe("demo");
  await clock.advance(60_000);
  expect(await provider()).toBe("demo");
  expect(fakes.lmstudio.asked).toBe(0);
});

test("a provider of the setting that is down fails with its own words, and works once it is up", async () => {
  const { models, fakes, provider, list } = setUp({ setting: "lmstudio" });
  models.start();
  const refusal = { code: "provider_unavailable", detail: "lmstudio does not answer." };
  await expect(models.choose(undefined)).rejects.toMatchObject(refusal);
  await expect(list()).rejects.toMatchObject(refusal);
  expect((await models.describe()).trouble).toBe("lmstudio does not answer.");
  fakes.lmstudio.models = [model("gemma")];
  expect(await provider()).toBe("lmstudio");
});

test("a provider that is taken as it stands is asked at once, and what is wrong with it is said", async () => {
  const { models, fakes } = setUp({ openai: null, openaiHow: "taken" });
  fakes.openai.llm.models = async () => {
    throw new Problem(
      "provider_error",
      "OpenAI at http://openai.test/v1 does not accept the API key (HTTP 401).",
    );
  };
  expect((await models.describe()).trouble).toBe("It does not accept the API key (HTTP 401).");
  const empty = setUp({ openai: [], openaiHow: "taken" });
  expect((await empty.models.describe()).trouble).toContain("It lists no model that can chat.");
  const named = setUp({ openai: [], openaiHow: "taken", defaultModel: "gpt" });
  expect((await named.models.describe()).trouble).toBeNull();
});

test("a description waits two seconds at most for a provider that says nothing", async () => {
  const { models, fakes, clock } = setUp({ openai: null, openaiHow: "taken" });
  fakes.openai.llm.models = () => new Promise(() => {});
  const described = models.describe();
  await clock.advance(2_000);
  expect((await described).trouble).toBe("It has not answered yet.");
});

test("demo gives way to LM Studio within 10 s of its start, and says so", async () => {
  const { models, clock, fakes, provider, changes } = setUp();
  models.start();
  expect(await provider()).toBe("demo");
  fakes.lmstudio.models = [model("gemma")];
  await clock.advance(10_000);
  expect(await provider()).toBe("lmstudio");
  expect(changes).toEqual(["LM Studio at http://lmstudio.test/v1 (found by itself)"]);
});

test("an LM Studio without a chat model is not taken until it has one", async () => {
  const { models, clock, fakes, provider } = setUp({ lmstudio: [] });
  models.start();
  expect(await provider()).toBe("demo");
  fakes.lmstudio.models = [model("gemma")];
  await clock.advance(10_000);
  expect(await provider()).toBe("lmstudio");
});

test("what was once found stays while it is down: never a silent demo", async () => {
  const { models, clock, fakes, provider } = setUp({ lmstudio: [model("gemma")] });
  models.start();
  expect(await provider()).toBe("lmstudio");
  fakes.lmstudio.models = null;
  await clock.advance(60_000);
  expect(await models.choose(undefined)).toMatchObject({ llm: { name: "lmstudio" }, model: "gemma" });
  expect(fakes.lmstudio.atOnce).toBe(1);
});

test("OpenAI is not left for an LM Studio that appears", async () => {
  const { models, clock, fakes, provider } = setUp({ openai: [model("gpt")], openaiHow: "taken" });
  models.start();
  expect(await provider()).toBe("openai");
  fakes.lmstudio.models = [model("gemma")];
  await clock.advance(60_000);
  expect(await provider()).toBe("openai");
});

test("starting waits for no probe, and many who wait share one", async () => {
  const { models, fakes } = setUp({ lmstudio: [model("gemma")] });
  models.start();
  expect(models.windowTokens(undefined)).toBe(32_000);
  const chosen = await Promise.all(Array.from({ length: 20 }, () => models.choose(undefined)));
  expect(new Set(chosen.map(({ model: id }) => id))).toEqual(new Set(["gemma"]));
  expect(fakes.lmstudio.asked).toBe(1);
});

test("the model is the one named, else DEFAULT_MODEL, else the first that is listed", async () => {
  const listed = [model("a", 4_096), model("b", 100_000), model("c")];
  const plain = setUp({ lmstudio: listed });
  expect(await plain.models.choose("b")).toMatchObject({ model: "b", contextTokens: 32_000 });
  expect(await plain.models.choose(undefined)).toMatchObject({ model: "a", contextTokens: 4_096 });
  const preset = setUp({ lmstudio: listed, defaultModel: "c" });
  expect(await preset.models.choose(undefined)).toMatchObject({ model: "c", contextTokens: 32_000 });
  expect(await preset.models.choose("a")).toMatchObject({ model: "a" });
});

test("DEFAULT_MODEL is trusted though no list names it, and is none of the demo's", async () => {
  const real = setUp({ openai: [model("gpt")], openaiHow: "taken", defaultModel: "gpt-alias" });
  expect(await real.models.choose(undefined)).toMatchObject({ model: "gpt-alias" });
  expect(await real.list()).toMatchObject({
    items: [
      { id: "gpt-alias", default: true },
      { id: "gpt", default: false },
    ],
  });
  const standIn = setUp({ defaultModel: "gemma" });
  expect(await standIn.models.choose(undefined)).toMatchObject({ model: "demo" });
});

test("a model that is not there is refused by a sentence that names those that are", async () => {
  const many = Array.from({ length: 11 }, (_, i) => model(`m${i}`));
  const { models } = setUp({ lmstudio: many });
  await expect(models.choose("nope")).rejects.toMatchObject({
    code: "provider_error",
    detail:
      'LM Studio has no model "nope". Choose one of these in the conversation\'s settings: m0, m1, m2, m3, m4, m5, m6, m7 and 3 more.',
  });
});

test("a model that was loaded a moment ago is found by looking again", async () => {
  const { models, fakes, clock } = setUp({ lmstudio: [model("a")] });
  await models.choose(undefined);
  fakes.lmstudio.models = [model("a"), model("new", 8_000)];
  await clock.advance(1_000);
  expect(await models.choose("new")).toMatchObject({ model: "new", contextTokens: 8_000 });
});

test("where no list can be read a named model is tried, and the list is not asked for at every turn", async () => {
  const { models, fakes } = setUp({ openai: null, openaiHow: "taken" });
  for (let i = 0; i < 20; i++) expect(await models.choose("gpt")).toMatchObject({ model: "gpt" });
  expect(fakes.openai.asked).toBeLessThanOrEqual(2);
  await expect(models.choose(undefined)).rejects.toMatchObject({ code: "provider_unavailable" });
});

test("the list of a provider elsewhere is kept for minutes, then read again behind a choice", async () => {
  const { models, fakes, clock } = setUp({ openai: [model("gpt")], openaiHow: "taken" });
  models.start();
  await models.choose(undefined);
  await clock.advance(240_000);
  await models.choose(undefined);
  expect(fakes.openai.asked).toBe(1);
  await clock.advance(70_000);
  await models.choose(undefined);
  expect(fakes.openai.asked).toBe(2);
});

test("GET /models lists the models of the provider in use, with window and default", async () => {
  const { list } = setUp({ lmstudio: [model("a", 4_096), model("b", 64_000)] });
  expect(await list()).toEqual({
    items: [
      { id: "a", provider: "lmstudio", context_tokens: 4_096, default: true },
      { id: "b", provider: "lmstudio", context_tokens: 32_000, default: false },
    ],
  });
});

test("the window is what the provider reports, at most what is set, and known without waiting", async () => {
  const { models } = setUp({ lmstudio: [model("a", 4_096), model("b", 64_000), model("c")] });
  await models.choose(undefined);
  expect(models.windowTokens(undefined)).toBe(4_096);
  expect(models.windowTokens("b")).toBe(32_000);
  expect(models.windowTokens("c")).toBe(32_000);
  expect(models.windowTokens("unknown")).toBe(32_000);
});

test("a model that counts more tokens than we estimate has a smaller window, and none grows", async () => {
  const lmstudio = [model("a", 4_000), model("b", 4_000)];
  const { models, list } = setUp({ lmstudio, factors: { a: 2, b: 0.5 } });
  expect((await models.choose("a")).contextTokens).toBe(2_000);
  expect(models.windowTokens("a")).toBe(2_000);
  expect((await models.choose("b")).contextTokens).toBe(4_000);
  expect((await list()).items.map((item) => item.context_tokens)).toEqual([4_000, 4_000]);
});
