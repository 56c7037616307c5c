import { type ReactNode, useEffect, useId, useRef } from "react";
import { strings } from "../strings.ts";
import { IconButton } from "./button.tsx";

/** A window over the page. The browser keeps the focus inside and gives it back; Escape closes. */
export function Dialog(props: {
  title: string;
  children: ReactNode;
  onClose(): void;
  /** `drawer` comes in from the left, over the whole height. */
  look?: "middle" | "drawer";
  isTitleHidden?: boolean;
}) {
  const { title, children, onClose, look = "middle", isTitleHidden = false } = props;
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = ref.current;
    const opener = document.activeElement;
    dialog?.showModal();
    // The browser would take the first button, which closes.
    dialog?.querySelector<HTMLElement>("[data-autofocus]")?.focus();
    return () => {
      dialog?.close();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it, by the browser itself
    <dialog
      ref={ref}
      className={`dialog ${look}`}
      aria-labelledby={titleId}
      onCancel={(event) => {
        if (event.target !== ref.current) return;
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === ref.current && onClose()}
    >
      <div className="dialog-box">
        <header className={isTitleHidden ? "dialog-head bare" : "dialog-head"}>
          <h2 id={titleId} className={isTitleHidden ? "unseen" : ""}>
            {title}
          </h2>
          <IconButton icon="close" label={strings.close} onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}
