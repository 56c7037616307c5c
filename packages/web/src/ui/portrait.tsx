import type { Character } from "@parley-chat/sdk";
import { type CSSProperties, useEffect, useRef, useState } from "react";
import type { PictureSize } from "../stores/pictures.ts";
import { useStores } from "../stores/stores.ts";

/** Begins early enough that a scroll seldom shows an empty tile. */
const NEARLY_IN_SIGHT = "300px";

/** The colour that goes with a name, as a hue: always the same one. */
export function hueOf(name: string): number {
  let hash = 2_166_136_261;
  for (const char of name) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16_777_619);
  return (hash >>> 0) % 360;
}

export const initialOf = (name: string): string =>
  [...new Intl.Segmenter().segment(name.trim())][0]?.segment.toUpperCase() ?? "?";

/**
 * A character's picture, or a tile with the initial of the name where there is none. For the eye alone, so it
 * is fetched when it comes into sight.
 */
export function Portrait({
  character,
  look,
  size = "thumb",
}: {
  character: Character | null;
  look: "tall" | "round" | "small";
  size?: PictureSize;
}) {
  const { pictures } = useStores();
  const ref = useRef<HTMLSpanElement>(null);
  const [isInSight, setInSight] = useState(false);
  const [picture, setPicture] = useState<string | null>(null);
  useEffect(() => {
    if (!ref.current) return;
    const observer = new IntersectionObserver(
      (entries) => setInSight(entries.at(-1)?.isIntersecting ?? false),
      {
        rootMargin: NEARLY_IN_SIGHT,
      },
    );
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the same character, read anew, has the same picture
  useEffect(() => {
    if (!character || !isInSight) return;
    let isWanted = true;
    const held = pictures.hold(character, size);
    void held.url.then((url) => isWanted && setPicture(url));
    return () => {
      isWanted = false;
      setPicture(null);
      held.release();
    };
  }, [character?.id, character?.avatar_url, pictures, size, isInSight]);
  const name = character?.name ?? "";
  return (
    <span
      ref={ref}
      className={`portrait ${look}`}
      style={{ "--hue": hueOf(name) } as CSSProperties}
      aria-hidden="true"
    >
      {picture ? <img src={picture} alt="" /> : !character?.avatar_url && <span>{initialOf(name)}</span>}
    </span>
  );
}
