import type { Message } from "@parley-chat/sdk";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { Button } from "../ui/button.tsx";
import { useAutosize } from "../ui/use-autosize.ts";

/** Changes a message of one's own; what was sent stays as a version beside it. */
export function MessageEditor(props: { message: Message; onSend(content: string): void; onCancel(): void }) {
  const { message, onSend, onCancel } = props;
  const { kept } = useStores();
  const key = `edit.${message.id}`;
  const [text, setText] = useState(() => kept.read<string>(key) ?? message.content);
  const area = useRef<HTMLTextAreaElement>(null);
  const s = strings.chat;
  const canSend = text.trim() !== "" && text !== message.content;

  useAutosize(area, text);
  useEffect(() => {
    area.current?.focus();
    area.current?.setSelectionRange(-1, -1);
  }, []);
  useEffect(
    () => kept.write(key, text === message.content ? undefined : text),
    [kept, key, text, message.content],
  );

  const send = () => {
    if (!canSend) return;
    kept.write(key, undefined);
    onSend(text);
  };
  const cancel = () => {
    kept.write(key, undefined);
    onCancel();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") cancel();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
  };
  return (
    <div className="message-editor">
      <textarea
        ref={area}
        aria-label={s.editLabel}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div className="row end">
        <Button look="quiet" onClick={cancel}>
          {strings.cancel}
        </Button>
        <Button look="main" onClick={send} disabled={!canSend}>
          {s.sendEdit}
        </Button>
      </div>
    </div>
  );
}
