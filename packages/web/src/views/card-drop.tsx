import { useEffect, useRef, useState } from "react";
import { paths } from "../lib/router.ts";
import { useStore } from "../lib/store.ts";
import type { Import } from "../stores/imports.ts";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { Button, IconButton, Link } from "../ui/button.tsx";
import { Icon } from "../ui/icons.tsx";

/** Takes card files that are dropped anywhere on the page, and says what came of them. */
export function CardDrop() {
  const [isOver, setOver] = useState(false);
  const { imports } = useStores();
  const shown = useStore(imports.list);

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
      void imports.add([...(event.dataTransfer?.files ?? [])]);
    };
    window.addEventListener("dragover", onOver);
    window.addEventListener("dragleave", onLeave);
    window.addEventListener("drop", onDrop);
    return () => {
      window.removeEventListener("dragover", onOver);
      window.removeEventListener("dragleave", onLeave);
      window.removeEventListener("drop", onDrop);
    };
  }, [imports]);

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
  const { imports } = useStores();
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
        <IconButton icon="close" label={strings.close} onClick={() => imports.putAway(item.id)} />
      )}
    </div>
  );
}

/** A button that takes card files, for who does not drop them. */
export function CardPicker() {
  const input = useRef<HTMLInputElement>(null);
  const { imports } = useStores();
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
          void imports.add([...(event.target.files ?? [])]);
          event.target.value = "";
        }}
      />
    </>
  );
}
