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
    if (isFocusFree()) heading.current?.focus({ preventScroll: true });
  }, []);
  return heading;
}

/** Whether no one has put the focus anywhere yet: it is nowhere, or on the heading that `usePage` gave it to. */
export function isFocusFree(): boolean {
  const active = document.activeElement;
  return !active || active === document.body || !active.isConnected || active.tagName === "H1";
}
