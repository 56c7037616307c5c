import { Problem } from "@parley-chat/sdk/contract/problem";
import type { Clock } from "../../kit/clock.ts";
import type { Llm, LlmModel } from "../../ports/llm/llm.ts";

/** A list that was asked for so recently is not asked for again. */
const ASK_AGAIN_AFTER_MS = 1_000;
const LIST_TIMEOUT_MS = 3_000;

/** A provider that may be chosen. */
export interface Candidate {
  /** As `DEFAULT_LLM_PROVIDER` and `Llm.name` have it. */
  readonly name: string;
  /** How people call it. */
  readonly title: string;
  /**
   * `probed`: taken where it answers. `taken`: taken as it stands. `on_request`: only by the setting.
   * `stand_in`: taken where there is nothing else, and left for what is found later.
   */
  readonly how: "probed" | "taken" | "on_request" | "stand_in";
  /** Why it was taken, for the start: "a key is set". */
  readonly why: string;
}

/** A provider in use, with what is known of its models. */
export interface Provider {
  readonly candidate: Candidate;
  readonly llm: Llm;
  /** Its models as they were last read, or null where they never were. */
  readonly list: readonly LlmModel[] | null;
  /** Why the last reading failed, or null where it went well. */
  readonly failure: Problem | null;
  /** Milliseconds since the last reading began, whatever became of it. */
  readonly listAgeMs: number;
  /**
   * Reads the list again, unless that was done within the last second; one reading at a time. A reading
   * that fails leaves the older list in its place. Never rejects.
   */
  read(timeoutMs?: number): Promise<void>;
}

export function createProvider(uses: { candidate: Candidate; llm: Llm; clock: Clock }): Provider {
  const { candidate, llm, clock } = uses;
  let list: LlmModel[] | null = null;
  let failure: Problem | null = null;
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | null = null;

  const ask = async (timeoutMs: number) => {
    readAt = clock.monotonic();
    try {
      list = await llm.models(timeoutMs);
      failure = null;
    } catch (error) {
      failure = Problem.from(error);
    }
    reading = null;
  };

  return {
    candidate,
    llm,
    get list() {
      return list;
    },
    get failure() {
      return failure;
    },
    get listAgeMs() {
      return clock.monotonic() - readAt;
    },
    async read(timeoutMs = LIST_TIMEOUT_MS) {
      // A reading under way may have less patience than this one, so it only counts if it went well.
      if (reading) await reading;
      if (reading) return reading;
      const isRecent = clock.monotonic() - readAt < ASK_AGAIN_AFTER_MS;
      if (isRecent && (failure === null || timeoutMs < LIST_TIMEOUT_MS)) return;
      reading = ask(timeoutMs);
      return reading;
    },
  };
}
