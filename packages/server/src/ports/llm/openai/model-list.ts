import { Problem } from "@parley-chat/sdk/contract/problem";
import type { Clock } from "../../../kit/clock.ts";
import type { LlmModel } from "../llm.ts";
import { answerFailure, type Failure, networkFailure, type Provider, statusFailure } from "./failures.ts";
import { retryAfterS } from "./retry-after.ts";
import { readBody, type Transport } from "./transport.ts";

const LIST_BYTES_MAX = 8 * 1024 * 1024;
const MODELS_MAX = 5_000;
const ID_LENGTH_MAX = 200;

/** Models that cannot chat, by what their ids hold. */
const otherKinds =
  /embed|whisper|\btts\b|dall-?e|moderation|rerank|gpt-image|chatgpt-image|\bsora\b|transcribe|realtime|stable-diffusion|^(babbage|davinci)-\d|^gpt-3\.5-turbo-instruct|^(gpt-)?audio|-audio-|deep-research|computer-use/i;

/** Windows of models whose list says none, by the start of their id; the first that fits. */
const windows: readonly (readonly [start: string, tokens: number])[] = [
  ["gpt-5", 400_000],
  ["gpt-4.1", 1_047_576],
  ["gpt-4o", 128_000],
  ["chatgpt-4o", 128_000],
  ["gpt-4-turbo", 128_000],
  ["gpt-4-1106", 128_000],
  ["gpt-4-0125", 128_000],
  ["gpt-4-32k", 32_768],
  ["gpt-4", 8_192],
  ["gpt-3.5", 16_385],
  ["o1-preview", 128_000],
  ["o1-mini", 128_000],
  ["o1", 200_000],
  ["o3", 200_000],
  ["o4", 200_000],
];

interface ListUses {
  transport: Transport;
  provider: Provider;
  clock: Clock;
  hasLmStudioList: boolean;
}

/**
 * The chat models of a server. LM Studio's own list, where there is one, says what is loaded (these come
 * first) and with which window.
 * @throws `provider_unavailable`, `provider_error`
 */
export async function listModels(uses: ListUses, timeoutMs: number): Promise<LlmModel[]> {
  const { transport, hasLmStudioList } = uses;
  const own = hasLmStudioList
    ? getList(uses, "/api/v0/models", timeoutMs).then(lmStudioModels, () => [])
    : Promise.resolve([]);
  const [list, better] = await Promise.all([getList(uses, transport.path("/models"), timeoutMs), own]);
  return better.length > 0 ? better : plainModels(list);
}

type Entry = Record<string, unknown>;

function plainModels(entries: Entry[]): LlmModel[] {
  return entries.flatMap((entry) => {
    const id = idOf(entry);
    if (id === null || otherKinds.test(id)) return [];
    return { id, contextTokens: windowOf(entry) ?? knownWindow(id) };
  });
}

function lmStudioModels(entries: Entry[]): LlmModel[] {
  const chat = entries.filter(({ type }) => type === "llm" || type === "vlm");
  const loaded = chat.filter(({ state }) => state === "loaded");
  const others = chat.filter(({ state }) => state !== "loaded");
  return [...loaded, ...others].flatMap((entry) => {
    const id = idOf(entry);
    if (id === null) return [];
    const now = entry.state === "loaded" ? count(entry.loaded_context_length) : null;
    return { id, contextTokens: now ?? count(entry.max_context_length) };
  });
}

const idOf = ({ id }: Entry): string | null =>
  typeof id === "string" && id !== "" && id.length <= ID_LENGTH_MAX ? id : null;

/** Servers of this kind that tell the window do it in fields of their own. */
const windowOf = (entry: Entry): number | null =>
  count(entry.context_length) ?? count(entry.max_model_len) ?? count(entry.context_window);

const count = (value: unknown): number | null =>
  Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : null;

const knownWindow = (id: string): number | null =>
  windows.find(([start]) => id.startsWith(start))?.[1] ?? null;

/** GETs a list and gives its entries, each id once. Rejects with a problem. */
function getList(uses: ListUses, path: string, timeoutMs: number): Promise<Entry[]> {
  const { transport, provider, clock } = uses;
  const { promise, resolve, reject } = Promise.withResolvers<Entry[]>();
  let exchange: { destroy(): void } | undefined;
  const fail = ({ code, detail, cause, retryAfterS: waitS }: Failure) => {
    cancel();
    exchange?.destroy();
    reject(new Problem(code, detail, { cause, ...(waitS !== undefined && { retryAfterS: waitS }) }));
  };
  const cancel = clock.after(timeoutMs, () =>
    fail(networkFailure(provider, Object.assign(new Error(), { code: "ETIMEDOUT" }))),
  );
  try {
    exchange = transport.open({
      method: "GET",
      path,
      accept: "application/json",
      onConnected() {},
      onResponse(response) {
        readBody(response, LIST_BYTES_MAX, (body, isWhole) => {
          const status = response.statusCode ?? 0;
          const waitS = retryAfterS(response.headers["retry-after"], clock.now());
          if (status !== 200) return fail(statusFailure(provider, status, body, "", waitS));
          const entries = isWhole ? entriesOf(body) : null;
          if (!entries) return fail(answerFailure(provider, "something else"));
          cancel();
          resolve(entries);
        });
      },
      onError: (error) => fail(networkFailure(provider, error)),
    });
  } catch (error) {
    fail(networkFailure(provider, error as NodeJS.ErrnoException));
  }
  return promise;
}

function entriesOf(body: string): Entry[] | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return null;
  }
  const list = Array.isArray(parsed) ? parsed : (parsed as { data?: unknown } | null)?.data;
  if (!Array.isArray(list)) return null;
  const byId = new Map<unknown, Entry>();
  for (const entry of list.slice(0, MODELS_MAX) as unknown[]) {
    if (typeof entry !== "object" || entry === null) continue;
    const { id } = entry as Entry;
    if (!byId.has(id)) byId.set(id, entry as Entry);
  }
  return [...byId.values()];
}
