import { type RefObject, useEffect, useRef } from "react";
import { strings } from "../strings.ts";

/** Names the page in the tab, and moves the focus to its heading when one has come to it. */
export function usePage(title: string | undefined): RefObject<HTMLHeadingElement | null> {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = title ? strings.titleOf(title) : strings.brand;
  }, [title]);
  useEffect(() => {
    // Not where something on it asked for the focus, and not behind an open window.
    const active = document.activeElement;
    if (!active || active === document.body || !active.isConnected)
      heading.current?.focus({ preventScroll: true });
  }, []);
  return heading;
}
