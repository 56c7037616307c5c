import type { Api, Model, models } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { Clock } from "../../kit/clock.ts";
import { lazily } from "../../kit/lazily.ts";
import { problemForGuests } from "../../kit/provider-problem.ts";
import type { Llm } from "../../ports/llm/llm.ts";
import { type Candidate, createProvider, type Provider } from "./provider.ts";

export type { Candidate } from "./provider.ts";

/** How long a provider may take to be found. */
const PROBE_TIMEOUT_MS = 300;
const PROBE_EVERY_MS = 10_000;
/** The lists of providers elsewhere change seldom, and each reading is a call over the network. */
const HOSTED_LIST_AGE_MAX_MS = 300_000;
const NAMED_MODELS_MAX = 8;
/** How long a description waits for what the provider says of itself. */
const DESCRIBE_WAIT_MS = 2_000;

export interface ModelsUses {
  /** The providers there are, the preferred first; the last is the stand-in. */
  candidates: readonly Candidate[];
  /** The provider that the operator chose (`DEFAULT_LLM_PROVIDER`), one of the candidates. */
  setting: string | undefined;
  /** Opens a candidate; called once for each that is looked at. */
  open(name: string): Promise<Llm>;
  /** `DEFAULT_MODEL`. */
  defaultModel: string | undefined;
  /** The largest window that is used, whatever the provider offers. */
  contextTokensMax: number;
  clock: Clock;
  /** How many times more tokens a model counts than our estimate. */
  calibration: { factor(model: string): number };
  /** Tells of a provider that was found after the start, in one line. */
  onChange?(description: string): void;
}

export interface ChosenModel {
  readonly llm: Llm;
  readonly model: string;
  /** Prompt and reply together, in tokens of our estimate. */
  readonly contextTokens: number;
}

/** The provider in use, for the person who starts the server. */
export interface Described {
  /** Which one, where, and why it was taken, in one line. */
  readonly what: string;
  /** What is wrong with it and what to do, in one or two sentences; null where it answers. */
  readonly trouble: string | null;
}

export interface Models extends Api<typeof models> {
  /**
   * The model for a reply: the one that is named, else `DEFAULT_MODEL`, else the first that is listed.
   * @throws `provider_unavailable` where no model can be known, `provider_error` where it is not there
   */
  choose(model: string | undefined): Promise<ChosenModel>;
  /** The window of a model as far as it is known now, at most `contextTokensMax`, in tokens of our estimate. */
  windowTokens(model: string | undefined): number;
  /** Which provider is in use, why, and whether it answers. Asks it, and waits at most two seconds. */
  describe(): Promise<Described>;
  /** Begins to look for providers; nothing waits for it but who needs a model. */
  start(): void;
  stop(): void;
}

/**
 * Which provider answers, and with which model. The setting decides and is never second-guessed: a
 * provider that was chosen and is down fails clearly. Without one, the first candidate that is there is
 * taken; the stand-in gives way when a better one appears, and what was once found stays.
 */
export function createModels(uses: ModelsUses): Models {
  const { candidates, defaultModel, contextTokensMax, clock } = uses;
  const opened = new Map<string, Promise<Provider>>();
  let current: Provider | null = null;
  let isProbing = false;
  let cancel = () => {};

  const isWithin = (work: Promise<void>, timeoutMs: number): Promise<boolean> =>
    new Promise((resolve) => {
      const cancelWait = clock.after(timeoutMs, () => resolve(false));
      void work.then(() => {
        cancelWait();
        resolve(true);
      });
    });

  const open = (candidate: Candidate): Promise<Provider> => {
    const known = opened.get(candidate.name);
    if (known) return known;
    const opening = uses.open(candidate.name).then((llm) => createProvider({ candidate, llm, clock }));
    opened.set(candidate.name, opening);
    // What failed is tried anew by whoever asks next.
    opening.catch(() => opened.delete(candidate.name));
    return opening;
  };

  /** Whether a provider answers, with a model that can chat. */
  const answers = async (provider: Provider): Promise<boolean> => {
    await provider.read(PROBE_TIMEOUT_MS);
    return provider.failure === null && (provider.list?.length ?? 0) > 0;
  };

  const pick = async (): Promise<Provider> => {
    const set = candidates.find(({ name }) => name === uses.setting);
    for (const candidate of set ? [set] : candidates) {
      if (!set && candidate.how === "on_request") continue;
      const provider = await open(candidate);
      const isThere = candidate.how !== "probed" || (await answers(provider));
      if (!set && !isThere) continue;
      if (candidate.how === "taken") void provider.read();
      else await provider.read(PROBE_TIMEOUT_MS);
      return provider;
    }
    throw new Problem("provider_unavailable", "No model provider is set up. Set DEFAULT_LLM_PROVIDER.");
  };

  const choose = lazily(pick);
  const inUse = async (): Promise<Provider> => {
    if (current) return current;
    const picked = await choose();
    current ??= picked;
    return current;
  };

  /** Leaves the stand-in for a real provider that has appeared. */
  const lookForBetter = async () => {
    for (const candidate of candidates.filter(({ how }) => how === "probed")) {
      const provider = await open(candidate);
      if (!(await answers(provider))) continue;
      current = provider;
      uses.onChange?.(whatItIs(provider, false));
      return;
    }
  };

  const tick = async () => {
    if (isProbing) return;
    isProbing = true;
    try {
      const provider = await inUse();
      const { how } = provider.candidate;
      if (how === "stand_in" && uses.setting === undefined) await lookForBetter();
      else if (how === "probed") await provider.read();
    } finally {
      isProbing = false;
    }
  };

  /** Sees to it that the list was read, and not too long ago; not every server has one. */
  const knowList = async (provider: Provider, isNeeded: boolean): Promise<void> => {
    const { list, failure, listAgeMs } = provider;
    const hasJustFailed = failure !== null && listAgeMs < PROBE_EVERY_MS;
    if (list === null && (isNeeded || !hasJustFailed)) await provider.read();
    else if (listAgeMs > HOSTED_LIST_AGE_MAX_MS) void provider.read();
  };

  /** `DEFAULT_MODEL` is meant for a real provider; the stand-in has its own. */
  const defaultOf = (provider: Provider): string | undefined => {
    const isMeant =
      provider.candidate.how !== "stand_in" || provider.list?.some(({ id }) => id === defaultModel);
    return (isMeant ? defaultModel : undefined) ?? provider.list?.[0]?.id;
  };

  const windowOf = (provider: Provider | null, model: string | undefined): number => {
    const id = model ?? (provider ? defaultOf(provider) : undefined);
    const reported = provider?.list?.find((each) => each.id === id)?.contextTokens;
    return Math.min(contextTokensMax, reported ?? contextTokensMax);
  };

  /** The same in tokens of our estimate. One that is too high only leaves room: no window grows by it. */
  const estimatedWindow = (provider: Provider | null, model: string | undefined): number => {
    const id = model ?? (provider ? defaultOf(provider) : undefined);
    const factor = id === undefined ? 1 : Math.max(1, uses.calibration.factor(id));
    return Math.floor(windowOf(provider, id) / factor);
  };

  const chosen = (provider: Provider, model: string): ChosenModel => ({
    llm: provider.llm,
    model,
    contextTokens: estimatedWindow(provider, model),
  });

  const isThere = (provider: Provider, model: string) =>
    provider.list === null || model === defaultOf(provider) || provider.list.some(({ id }) => id === model);

  return {
    async choose(model) {
      const provider = await inUse();
      await knowList(provider, (model ?? defaultOf(provider)) === undefined);
      const wanted = model ?? defaultOf(provider);
      if (wanted === undefined) throw noModel(provider);
      // It may have been loaded a moment ago.
      if (!isThere(provider, wanted)) await provider.read();
      if (!isThere(provider, wanted)) throw unknownModel(provider, wanted);
      return chosen(provider, wanted);
    },

    windowTokens: (model) => estimatedWindow(current, model),

    async list(_, { principal }) {
      const provider = await inUse();
      await knowList(provider, true);
      const byDefault = defaultOf(provider);
      if (byDefault === undefined && provider.failure)
        throw principal.role === "owner" ? provider.failure : problemForGuests(provider.failure);
      const ids = (provider.list ?? []).map(({ id }) => id);
      if (byDefault !== undefined && !ids.includes(byDefault)) ids.unshift(byDefault);
      const items = ids.map(
        (id): Model => ({
          id,
          provider: provider.llm.name,
          context_tokens: windowOf(provider, id),
          default: id === byDefault,
        }),
      );
      return { items };
    },

    async describe() {
      const provider = await inUse();
      const hasAnswered = await isWithin(provider.read(), DESCRIBE_WAIT_MS);
      const what = whatItIs(provider, uses.setting !== undefined);
      const isModelMissing = provider.failure === null && defaultOf(provider) === undefined;
      const problem = isModelMissing ? noModel(provider) : provider.failure;
      return { what, trouble: hasAnswered ? troubleOf(provider, problem) : "It has not answered yet." };
    },

    start() {
      cancel();
      cancel = clock.every(PROBE_EVERY_MS, () => void tick().catch(() => {}));
      inUse().catch(() => {});
    },

    stop: () => cancel(),
  };
}

function whatItIs({ candidate, llm }: Provider, isSet: boolean): string {
  const why = isSet ? "as DEFAULT_LLM_PROVIDER says" : candidate.why;
  return `${called(candidate, llm)} (${why})`;
}

const called = ({ title }: Candidate, { address }: Llm): string =>
  address === null ? title : `${title} at ${address}`;

/** The provider stands on the line before, so the sentence need not name it again. */
function troubleOf({ candidate, llm }: Provider, problem: Problem | null): string | null {
  if (problem === null) return null;
  const { detail } = problem;
  const name = [called(candidate, llm), candidate.title].find((each) => detail.startsWith(each));
  return name === undefined ? detail : `It${detail.slice(name.length)}`;
}

const noModel = ({ candidate, failure }: Provider): Problem =>
  failure ??
  new Problem(
    "provider_error",
    `${candidate.title} lists no model that can chat. Add one there, or name one in DEFAULT_MODEL.`,
  );

function unknownModel({ candidate, list }: Provider, model: string): Problem {
  const ids = (list ?? []).map(({ id }) => id);
  const named = ids.slice(0, NAMED_MODELS_MAX).join(", ");
  const more = ids.length > NAMED_MODELS_MAX ? ` and ${ids.length - NAMED_MODELS_MAX} more` : "";
  return new Problem(
    "provider_error",
    `${candidate.title} has no model "${model}". Choose one of these in the conversation's settings: ${named}${more}.`,
  );
}
