import { useCallback, useRef, useState } from "react";
import { type Sentence, sentenceOf } from "../lib/sentence.ts";

/** Runs what a person asked for: once at a time, with what went wrong in a sentence. */
export function useAction() {
  const [isBusy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Sentence | null>(null);
  const last = useRef<() => Promise<unknown>>(undefined);
  const run = useCallback(async (work: () => Promise<unknown>): Promise<boolean> => {
    last.current = work;
    setBusy(true);
    setTrouble(null);
    try {
      await work();
      return true;
    } catch (error) {
      setTrouble(sentenceOf(error));
      return false;
    } finally {
      setBusy(false);
    }
  }, []);
  /** What was asked for last, once more. */
  const again = useCallback(() => {
    if (last.current) void run(last.current);
  }, [run]);
  return { isBusy, trouble, run, again };
}
