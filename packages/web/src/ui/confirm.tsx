import { useState } from "react";
import { type Sentence, sentenceOf } from "../lib/sentence.ts";
import { strings } from "../strings.ts";
import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";
import { Trouble } from "./trouble.tsx";

/** Asks before something that cannot be undone; stays open with the reason where it fails. */
export function Confirm(props: {
  title: string;
  text: string;
  action: string;
  onYes(): Promise<void>;
  onClose(): void;
}) {
  const [isBusy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Sentence | null>(null);
  const yes = async () => {
    setBusy(true);
    setTrouble(null);
    try {
      await props.onYes();
      props.onClose();
    } catch (error) {
      setTrouble(sentenceOf(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <p>{props.text}</p>
      {trouble && <Trouble {...trouble} />}
      <div className="row end">
        <Button onClick={props.onClose} data-autofocus>
          {strings.cancel}
        </Button>
        <Button look="danger" onClick={yes} disabled={isBusy}>
          {props.action}
        </Button>
      </div>
    </Dialog>
  );
}
