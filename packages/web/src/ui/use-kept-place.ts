import { type RefObject, useLayoutEffect, useRef } from "react";

/**
 * Keeps what is read where it is while something is put before it.
 * @param box what scrolls
 * @param content holds the articles
 * @param firstId names the first of them
 */
export function useKeptPlace(
  box: RefObject<HTMLElement | null>,
  content: RefObject<HTMLElement | null>,
  firstId: string | undefined,
): void {
  const known = useRef<{ element: HTMLElement; top: number; firstId: string | undefined } | null>(null);
  // After every picture: whatever stands above the first article may come and go.
  useLayoutEffect(() => {
    const old = known.current;
    if (old && old.firstId !== firstId && old.element.isConnected && box.current) {
      box.current.scrollTop += old.element.offsetTop - old.top;
    }
    const element = content.current?.querySelector<HTMLElement>("article");
    known.current = element ? { element, top: element.offsetTop, firstId } : null;
  });
}
