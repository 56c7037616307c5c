import type { Character } from "@parley-chat/sdk";
import { type CSSProperties, useEffect, useState } from "react";
import { useStores } from "../stores/stores.ts";

/** The colour that goes with a name, as a hue: always the same one. */
export function hueOf(name: string): number {
  let hash = 2_166_136_261;
  for (const char of name) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16_777_619);
  return (hash >>> 0) % 360;
}

export const initialOf = (name: string): string =>
  [...new Intl.Segmenter().segment(name.trim())][0]?.segment.toUpperCase() ?? "?";

/** A character's picture, or a tile with the initial of the name where there is none. For the eye alone. */
export function Portrait({
  character,
  look,
}: {
  character: Character | null;
  look: "tall" | "round" | "small";
}) {
  const { characters } = useStores();
  const [picture, setPicture] = useState<string | null>(null);
  useEffect(() => {
    let isWanted = true;
    setPicture(null);
    if (character)
      void characters
        .picture(character, look === "tall" ? "full" : "thumb")
        .then((url) => isWanted && setPicture(url));
    return () => {
      isWanted = false;
    };
  }, [character, characters, look]);
  const name = character?.name ?? "";
  return (
    <span className={`portrait ${look}`} style={{ "--hue": hueOf(name) } as CSSProperties} aria-hidden="true">
      {picture ? <img src={picture} alt="" /> : !character?.avatar_url && <span>{initialOf(name)}</span>}
    </span>
  );
}
