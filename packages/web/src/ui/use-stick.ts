import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

/** How near to the end counts as being there. */
const NEAR_PX = 64;

/**
 * Keeps the end of a growing text in sight while the reader is there, and leaves alone whoever scrolled up.
 * @param box what scrolls
 * @param content what grows in it
 */
export function useStick(box: RefObject<HTMLElement | null>, content: RefObject<HTMLElement | null>) {
  const isStuck = useRef(true);
  const [isAway, setAway] = useState(false);

  const toEnd = useCallback(
    (isSmooth = false) => {
      const element = box.current;
      if (!element) return;
      isStuck.current = true;
      setAway(false);
      const behavior =
        isSmooth && !matchMedia("(prefers-reduced-motion: reduce)").matches ? "smooth" : "instant";
      element.scrollTo({ top: element.scrollHeight, behavior });
    },
    [box],
  );

  useLayoutEffect(() => toEnd(), [toEnd]);

  useEffect(() => {
    const element = box.current;
    const inner = content.current;
    if (!element || !inner) return;
    let lastTop = element.scrollTop;
    const onScroll = () => {
      const left = element.scrollHeight - element.clientHeight - element.scrollTop;
      // Growth alone moves nothing up: only a reader does.
      if (left <= NEAR_PX) isStuck.current = true;
      else if (element.scrollTop < lastTop) isStuck.current = false;
      lastTop = element.scrollTop;
      setAway(!isStuck.current);
    };
    const observer = new ResizeObserver(() => {
      if (isStuck.current) element.scrollTop = element.scrollHeight;
    });
    observer.observe(inner);
    observer.observe(element);
    element.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", onScroll);
    };
  }, [box, content]);

  return { isAway, toEnd };
}
