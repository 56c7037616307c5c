import { Problem } from "@parley-chat/sdk/contract/problem";
import type { Config } from "../config.ts";
import type { Clock } from "../kit/clock.ts";
import { checkKey, knownProvider, llmCandidates, openConfiguredLlm } from "../ports/llm/index.ts";

/** Throws a `StartError` where the settings name a provider that there is not, or one that lacks its key. */
export function checkProvider(config: Config): void {
  if (config.provider !== undefined) checkKey(knownProvider(config.provider), config);
}

/** What the provider says that the settings choose: the models it lists, or why it lists none. */
export interface ProviderFound {
  title: string;
  modelsCount: number;
  /** One sentence, or null where it answers. */
  failure: string | null;
  /** The demo, because there is nothing else. */
  isStandIn: boolean;
}

/** Asks the provider that a start would take for its models. Throws as `checkProvider` does. */
export async function askProvider(config: Config, clock: Clock, timeoutMs: number): Promise<ProviderFound> {
  const set = config.provider === undefined ? undefined : knownProvider(config.provider);
  const candidates = llmCandidates(config).filter(({ name, how }) =>
    set === undefined ? how !== "on_request" : name === set,
  );
  let found: ProviderFound | undefined;
  for (const { name, title, how } of candidates) {
    const llm = await openConfiguredLlm(name, config, clock);
    const isStandIn = set === undefined && how === "stand_in";
    found = await llm.models(timeoutMs).then(
      (models) => ({ title, modelsCount: models.length, failure: null, isStandIn }),
      (error) => ({ title, modelsCount: 0, failure: Problem.from(error).detail, isStandIn }),
    );
    if (how !== "probed" || found.modelsCount > 0) break;
  }
  if (!found) throw new Error("there is always a stand-in");
  return found;
}
