import type { Character } from "@parley-chat/sdk";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { Button } from "../ui/button.tsx";
import { download } from "../ui/download.ts";
import { Trouble } from "../ui/trouble.tsx";
import { useAction } from "../ui/use-action.ts";

/** Downloads of a character as a card file, for other tools and other people. */
export function ExportButtons({ character }: { character: Character }) {
  const { characters } = useStores();
  const { isBusy, trouble, run } = useAction();
  const s = strings.cards;
  const exportAs = (format: "json" | "png") =>
    run(async () =>
      download(await characters.exportCard(character.id, format), `${fileName(character)}.${format}`),
    );
  return (
    <>
      <Button look="quiet" onClick={() => void exportAs("png")} disabled={isBusy}>
        {s.exportPng}
      </Button>
      <Button look="quiet" onClick={() => void exportAs("json")} disabled={isBusy}>
        {s.exportJson}
      </Button>
      {trouble && <Trouble {...trouble} />}
    </>
  );
}

const fileName = ({ name }: Character) => name.replaceAll(/[^\p{L}\p{N}._ -]+/gu, "").trim() || "character";
