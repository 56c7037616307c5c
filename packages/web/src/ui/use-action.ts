import { useCallback, useState } from "react";
import { type Sentence, sentenceOf } from "../lib/sentence.ts";

/** Runs what a person asked for: once at a time, with what went wrong in a sentence. */
export function useAction() {
  const [isBusy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Sentence | null>(null);
  const run = useCallback(async (work: () => Promise<unknown>): Promise<boolean> => {
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
  return { isBusy, trouble, run, clear: () => setTrouble(null) };
}
