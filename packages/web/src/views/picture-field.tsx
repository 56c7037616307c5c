import type { Character } from "@parley-chat/sdk";
import { useEffect, useRef, useState } from "react";
import { announce } from "../lib/announce.ts";
import { strings } from "../strings.ts";
import { Button } from "../ui/button.tsx";
import { Portrait } from "../ui/portrait.tsx";
import { toPng } from "../ui/to-png.ts";
import { Trouble } from "../ui/trouble.tsx";

/** What becomes of a character's picture when it is saved: it stays, it goes, or this one takes its place. */
export type PictureChoice = "stays" | "goes" | Blob;

/** Chooses a picture from this device. Nothing is sent before the character is saved. */
export function PictureField(props: {
  character: Character | null;
  choice: PictureChoice;
  onChange(choice: PictureChoice): void;
}) {
  const { character, choice, onChange } = props;
  const input = useRef<HTMLInputElement>(null);
  const chooser = useRef<HTMLButtonElement>(null);
  const [isRefused, setRefused] = useState(false);
  const s = strings.editor;
  const hasPicture = choice === "stays" ? Boolean(character?.avatar_url) : choice !== "goes";

  const take = async (file: File | undefined) => {
    if (!file) return;
    const png = await toPng(file).catch(() => null);
    setRefused(!png);
    if (!png) return;
    onChange(png);
    announce(s.pictureChosen);
  };
  const takeAway = () => {
    onChange("goes");
    chooser.current?.focus();
    announce(s.pictureRemoved);
  };
  return (
    <fieldset className="picture-field">
      <legend>{s.picture}</legend>
      <div className="row">
        {choice instanceof Blob ? (
          <Preview picture={choice} />
        ) : (
          <Portrait character={choice === "stays" ? character : null} look="round" />
        )}
        <Button ref={chooser} icon="upload" onClick={() => input.current?.click()}>
          {hasPicture ? s.otherPicture : s.choosePicture}
        </Button>
        {hasPicture && (
          <Button look="quiet" icon="trash" onClick={takeAway}>
            {s.removePicture}
          </Button>
        )}
      </div>
      {isRefused && <Trouble text={s.noPicture} />}
      <input
        ref={input}
        type="file"
        hidden
        accept="image/*"
        aria-label={s.choosePicture}
        onChange={(event) => {
          void take(event.target.files?.[0]);
          event.target.value = "";
        }}
      />
    </fieldset>
  );
}

function Preview({ picture }: { picture: Blob }) {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(picture);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [picture]);
  return (
    <span className="portrait round" aria-hidden="true">
      {url && <img src={url} alt="" />}
    </span>
  );
}
