import { type TouchEvent, useRef } from "react";

const FAR_PX = 60;
/** More upright than this is scrolling. */
const SLOPE_MAX = 0.6;

/** A finger that goes across: to the left is 1, to the right is -1. Buttons do the same for everyone else. */
export function useSwipe(onSwipe: (step: -1 | 1) => void) {
  const from = useRef<{ x: number; y: number } | null>(null);
  return {
    onTouchStart({ touches }: TouchEvent) {
      const touch = touches[0];
      from.current = touch && touches.length === 1 ? { x: touch.clientX, y: touch.clientY } : null;
    },
    onTouchEnd({ changedTouches }: TouchEvent) {
      const touch = changedTouches[0];
      if (!from.current || !touch) return;
      const x = touch.clientX - from.current.x;
      const y = touch.clientY - from.current.y;
      from.current = null;
      if (Math.abs(x) >= FAR_PX && Math.abs(y) <= SLOPE_MAX * Math.abs(x)) onSwipe(x < 0 ? 1 : -1);
    },
  };
}
