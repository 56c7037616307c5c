import { useCallback, useEffect, useRef, useState } from "react";
import { announce } from "../lib/announce.ts";
import { navigate, paths } from "../lib/router.ts";
import { sentenceOf } from "../lib/sentence.ts";
import { createStore, useStore } from "../lib/store.ts";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { Button, IconButton, Link } from "../ui/button.tsx";
import { Icon } from "../ui/icons.tsx";

interface Import {
  id: number;
  file: string;
  status: "reading" | "done" | "failed";
  text: string;
  characterId?: string;
  warnings: readonly string[];
}

/** What is being imported and what came of it, until it is put away. */
const imports = createStore<readonly Import[]>([]);
let lastId = 0;
const FILES_MAX = 50;

const putAway = (id: number) => imports.set((old) => old.filter((one) => one.id !== id));

/** Takes in card files, one after the other; shows the character where there was only one. */
function useImport() {
  const { characters } = useStores();
  return useCallback(
    async (files: readonly File[]) => {
      const s = strings.cards;
      for (const file of files.slice(0, FILES_MAX)) {
        const id = ++lastId;
        const change = (next: Partial<Import>) =>
          imports.set((old) => old.map((one) => (one.id === id ? { ...one, ...next } : one)));
        imports.set((old) => [
          ...old,
          { id, file: file.name, status: "reading", text: s.importing(file.name), warnings: [] },
        ]);
        try {
          const { character, report } = await characters.importCard(file);
          const text = s.done(character.name);
          const warnings = report.warnings.map(({ message }) => message);
          announce(text);
          change({ status: "done", text, characterId: character.id, warnings });
          if (files.length > 1) continue;
          // Its sheet says all that there is to say.
          if (warnings.length === 0) putAway(id);
          navigate(paths.character(character.id));
        } catch (error) {
          const text = s.failed(file.name, sentenceOf(error).text);
          change({ status: "failed", text });
          announce(text);
        }
      }
    },
    [characters],
  );
}

/** Takes card files that are dropped anywhere on the page, and says what came of them. */
export function CardDrop() {
  const [isOver, setOver] = useState(false);
  const importFiles = useImport();
  const shown = useStore(imports);

  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const onOver = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const onLeave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    const onDrop = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(false);
      void importFiles([...(event.dataTransfer?.files ?? [])]);
    };
    window.addEventListener("dragover", onOver);
    window.addEventListener("dragleave", onLeave);
    window.addEventListener("drop", onDrop);
    return () => {
      window.removeEventListener("dragover", onOver);
      window.removeEventListener("dragleave", onLeave);
      window.removeEventListener("drop", onDrop);
    };
  }, [importFiles]);

  return (
    <>
      {isOver && (
        <div className="drop" aria-hidden="true">
          {strings.cards.drop}
        </div>
      )}
      {shown.length > 0 && (
        <div className="toasts">
          {shown.map((one) => (
            <ImportToast key={one.id} item={one} />
          ))}
        </div>
      )}
    </>
  );
}

function ImportToast({ item }: { item: Import }) {
  return (
    <div className={`toast ${item.status}`}>
      {item.status === "failed" && <Icon name="alert" />}
      <div>
        {item.characterId ? (
          <Link to={paths.character(item.characterId)}>{item.text}</Link>
        ) : (
          <p>{item.text}</p>
        )}
        {item.warnings.length > 0 && (
          <details>
            <summary>{strings.cards.warnings}</summary>
            <ul>
              {item.warnings.map((warning) => (
                <li key={warning}>{warning}</li>
              ))}
            </ul>
          </details>
        )}
      </div>
      {item.status !== "reading" && (
        <IconButton icon="close" label={strings.close} onClick={() => putAway(item.id)} />
      )}
    </div>
  );
}

/** A button that takes card files, for who does not drop them. */
export function CardPicker() {
  const input = useRef<HTMLInputElement>(null);
  const importFiles = useImport();
  return (
    <>
      <Button icon="upload" onClick={() => input.current?.click()}>
        {strings.cards.pick}
      </Button>
      <input
        ref={input}
        type="file"
        hidden
        multiple
        accept=".png,.json,image/png,application/json"
        aria-label={strings.cards.pick}
        onChange={(event) => {
          void importFiles([...(event.target.files ?? [])]);
          event.target.value = "";
        }}
      />
    </>
  );
}
