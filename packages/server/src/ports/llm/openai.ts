import type { Clock } from "../../kit/clock.ts";
import { recentMap } from "../../kit/recent-map.ts";
import type { Llm, LlmRequest } from "./llm.ts";
import { alternate } from "./openai/alternate.ts";
import { callChat } from "./openai/chat-call.ts";
import { isStrictTemplate, type Provider } from "./openai/failures.ts";
import { listModels } from "./openai/model-list.ts";
import { createTransport } from "./openai/transport.ts";
import type { LlmTimers } from "./openai/watch.ts";
import { type Preset, titleOf } from "./presets.ts";

/**
 * The longest reply, text and reasoning together, in UTF-16 units: about the 100,000 tokens that a
 * conversation may ask for at most. A stream that goes on beyond it is ended as `length`.
 */
export const REPLY_CHARACTERS_MAX = 500_000;

const STRICT_MODELS_MAX = 1_000;

export interface OpenAiOptions {
  /** As `Llm.name`. */
  name: string;
  preset: Preset;
  baseUrl: string;
  apiKey?: string | undefined;
  timers: LlmTimers;
  clock: Clock;
  /** Default `REPLY_CHARACTERS_MAX`. */
  replyCharactersMax?: number;
}

/** A provider that speaks the wire of OpenAI's chat completions, over raw HTTP. */
export function createOpenAiLlm(options: OpenAiOptions): Llm {
  const { name, preset, baseUrl, apiKey, timers, clock } = options;
  const { replyCharactersMax = REPLY_CHARACTERS_MAX } = options;
  const transport = createTransport({ baseUrl, apiKey });
  const isOfficial = new URL(baseUrl).hostname === "api.openai.com";
  const { baseUrlSetting, keySetting, marker, isLocal, hasLmStudioList } = preset;
  const provider: Provider = {
    subject: `${titleOf(preset, baseUrl)} at ${transport.address}`,
    baseUrlSetting,
    keySetting,
    hasKey: apiKey !== undefined || new URL(baseUrl).password !== "",
    isLocal,
  };
  /** Models whose templates want user and assistant in turn, as their servers have told. */
  const strictModels = recentMap<string, true>(STRICT_MODELS_MAX);
  return {
    name,
    address: transport.address,
    async generate(request, onText, signal) {
      const uses = { transport, provider, timers, clock, marker, replyCharactersMax };
      const call = (isStrict: boolean) => {
        const messages = isStrict ? alternate(request.messages) : request.messages;
        const body = JSON.stringify(wireRequest({ ...request, messages }, isOfficial));
        return callChat(uses, request, body, onText, signal);
      };
      const isKnownStrict = strictModels.has(request.model);
      const end = await call(isKnownStrict);
      // A template is refused before the first word, so nothing was shown yet.
      if (isKnownStrict || !isStrictTemplate(end) || signal.aborted) return end;
      strictModels.set(request.model, true);
      return call(true);
    },
    models: (timeoutMs) => listModels({ transport, provider, clock, hasLmStudioList }, timeoutMs),
  };
}

/** Models at OpenAI itself that refuse `max_tokens` and take the limit under its newer name. */
const NEWER_LIMIT = /^(o\d|gpt-[5-9])/;

function wireRequest(request: LlmRequest, isOfficial: boolean): Record<string, unknown> {
  const { model, messages, replyTokensMax, settings } = request;
  const { temperature, top_p, presence_penalty, frequency_penalty, seed, stop } = settings;
  const limit = isOfficial && NEWER_LIMIT.test(model) ? "max_completion_tokens" : "max_tokens";
  return {
    model,
    messages: messages.map(({ role, content }) => ({ role, content })),
    stream: true,
    stream_options: { include_usage: true },
    [limit]: replyTokensMax,
    temperature,
    top_p,
    presence_penalty,
    frequency_penalty,
    seed,
    stop: stop && stop.length > 0 ? stop : undefined,
  };
}
