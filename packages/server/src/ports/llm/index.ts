import { BlockList, isIP } from "node:net";
import type { Clock } from "../../kit/clock.ts";
import { nearest } from "../../kit/nearest.ts";
import { StartError } from "../../kit/start-error.ts";
import type { Llm } from "./llm.ts";
import { hostedTimers, type LlmTimers, localTimers } from "./openai/watch.ts";
import { type Preset, presets, titleOf } from "./presets.ts";

export type { LlmTimers } from "./openai/watch.ts";
export { presets } from "./presets.ts";

export type ProviderName = keyof typeof presets | "demo";

export const providerNames: readonly ProviderName[] = [
  ...(Object.keys(presets) as (keyof typeof presets)[]),
  "demo",
];

/**
 * The name of a provider that there is.
 * @throws StartError that names them all, and the nearest
 */
export function knownProvider(name: string): ProviderName {
  const known = providerNames.find((each) => each === name);
  if (known) return known;
  const meant = nearest(name, providerNames);
  const list = new Intl.ListFormat("en", { type: "disjunction" }).format(providerNames);
  throw new StartError(
    `DEFAULT_LLM_PROVIDER must be ${list}, not "${name}"${meant ? `; did you mean ${meant}?` : "."}`,
  );
}

export interface OpenLlmOptions {
  clock: Clock;
  /** Default: the provider's own. */
  baseUrl?: string | undefined;
  apiKey?: string | undefined;
  /** What is absent takes the default by kind of provider: local, or hosted elsewhere. */
  timers?: { readonly [K in keyof LlmTimers]?: number | undefined };
}

/** What the configuration says of providers. */
export interface LlmConfig {
  readonly openaiApiKey?: string | undefined;
  readonly openaiBaseUrl: string;
  readonly lmstudioBaseUrl: string;
  readonly llmConnectTimeoutMs?: number | undefined;
  readonly llmFirstTokenTimeoutMs?: number | undefined;
  readonly llmBetweenTokensTimeoutMs?: number | undefined;
  readonly llmIdleTimeoutMs?: number | undefined;
  readonly llmCallTimeoutMs?: number | undefined;
}

/**
 * Whether a provider that was chosen has the key that it cannot do without.
 * @throws StartError that names the setting
 */
export function checkKey(name: ProviderName, config: LlmConfig): void {
  const isOpenAiItself = name === "openai" && config.openaiBaseUrl === presets.openai.defaultBaseUrl;
  if (!isOpenAiItself || config.openaiApiKey !== undefined) return;
  throw new StartError(
    "OPENAI_API_KEY is missing: DEFAULT_LLM_PROVIDER says openai; set it, or OPENAI_BASE_URL for another server.",
  );
}

/** The providers that may be chosen, in the order in which they are looked for where no setting decides. */
export const llmCandidates = (config: LlmConfig) =>
  [
    { name: "lmstudio", title: presets.lmstudio.title, how: "probed", why: "found by itself" },
    {
      name: "openai",
      title: titleOf(presets.openai, config.openaiBaseUrl),
      how: isOpenAiSet(config) ? "taken" : "on_request",
      why: config.openaiApiKey === undefined ? "OPENAI_BASE_URL is set" : "OPENAI_API_KEY is set",
    },
    {
      name: "demo",
      title: "The built-in demo",
      how: "stand_in",
      why: "no provider was found: start LM Studio, or set OPENAI_API_KEY",
    },
  ] as const;

const isOpenAiSet = ({ openaiApiKey, openaiBaseUrl }: LlmConfig): boolean =>
  openaiApiKey !== undefined || openaiBaseUrl !== presets.openai.defaultBaseUrl;

/** Opens a provider as the configuration has it. */
export const openConfiguredLlm = (name: string, config: LlmConfig, clock: Clock): Promise<Llm> => {
  const isOpenAi = name === "openai";
  return openLlm(knownProvider(name), {
    clock,
    baseUrl: isOpenAi ? config.openaiBaseUrl : config.lmstudioBaseUrl,
    apiKey: isOpenAi ? config.openaiApiKey : undefined,
    timers: {
      connectMs: config.llmConnectTimeoutMs,
      firstTokenMs: config.llmFirstTokenTimeoutMs,
      betweenTokensMs: config.llmBetweenTokensTimeoutMs,
      idleMs: config.llmIdleTimeoutMs,
      callMs: config.llmCallTimeoutMs,
    },
  });
};

/** Opens a provider; the code of one that is not used is never loaded. */
export async function openLlm(name: ProviderName, options: OpenLlmOptions): Promise<Llm> {
  const { clock, apiKey } = options;
  if (name === "demo") return (await import("./demo.ts")).createDemoLlm({ clock });
  const preset: Preset = presets[name];
  const baseUrl = options.baseUrl ?? preset.defaultBaseUrl;
  const defaults = preset.isLocal || isLoopback(baseUrl) ? localTimers : hostedTimers;
  const given = Object.entries(options.timers ?? {}).filter(([, ms]) => ms !== undefined);
  const timers: LlmTimers = { ...defaults, ...Object.fromEntries(given) };
  const { createOpenAiLlm } = await import("./openai.ts");
  return createOpenAiLlm({ name, preset, baseUrl, apiKey, timers, clock });
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether a server runs on this machine: then it loads and computes at home, whatever it is called. */
function isLoopback(baseUrl: string): boolean {
  const host = new URL(baseUrl).hostname.replace(/^\[|\]$/g, "");
  const version = isIP(host);
  if (version === 0) return host === "localhost";
  return loopback.check(host, version === 4 ? "ipv4" : "ipv6");
}
