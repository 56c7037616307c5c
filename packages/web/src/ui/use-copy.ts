import { useEffect, useRef, useState } from "react";
import { announce } from "../lib/announce.ts";
import { strings } from "../strings.ts";

const SHOWN_MS = 1_500;

/** Copies text and says for a moment that it did; a browser may forbid it, which is said too. */
export function useCopy() {
  const [outcome, setOutcome] = useState<"copied" | "failed" | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async (text: string) => {
    const next = await navigator.clipboard.writeText(text).then(
      () => "copied" as const,
      () => "failed" as const,
    );
    setOutcome(next);
    announce(next === "copied" ? strings.copied : strings.copyFailed);
    clearTimeout(timer.current);
    if (next === "copied") timer.current = setTimeout(() => setOutcome(null), SHOWN_MS);
  };
  return { outcome, copy };
}
