import { type FormEvent, type KeyboardEvent, type Ref, type RefObject, useEffect, useState } from "react";
import type { Chat } from "../chat/chat.ts";
import { useStore } from "../lib/store.ts";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { IconButton } from "../ui/button.tsx";
import { Trouble } from "../ui/trouble.tsx";
import { useAction } from "../ui/use-action.ts";
import { useAutosize } from "../ui/use-autosize.ts";
import { isFocusFree } from "./use-page.ts";

const CHARACTERS_MAX = 50_000;

/** Where one writes. The draft outlives a reload; Enter sends, with Shift it makes a line. */
export function Composer(props: {
  chat: Chat;
  name: string;
  conversationId: string;
  ref: RefObject<HTMLTextAreaElement | null>;
  isRunning: boolean;
  canSend: boolean;
  onSent(): void;
}) {
  const { chat, name, conversationId, ref, isRunning, canSend, onSent } = props;
  const [draft, setDraft] = useDraft(conversationId);
  const { trouble, run, isBusy } = useAction();
  const waiting = useStore(chat.outbox.items).length > 0;
  const s = strings.chat;
  const length = [...draft].length;
  const isTooLong = length > CHARACTERS_MAX;
  const canSubmit = canSend && draft.trim() !== "" && !isTooLong;

  useAutosize(ref, draft);
  useFirstFocus(ref, canSend);

  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    if (!canSubmit) return;
    chat.send(draft);
    setDraft("");
    onSent();
    ref.current?.focus();
  };
  const stop = async () => {
    ref.current?.focus();
    await run(() => chat.stop());
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // With an input method, Enter chooses a word.
    if (event.nativeEvent.isComposing) return;
    const isTouch = matchMedia("(pointer: coarse)").matches;
    if (event.key === "Enter" && !event.shiftKey && !isTouch) {
      event.preventDefault();
      submit();
    }
    if (event.key === "Escape" && isRunning) void stop();
  };

  return (
    <form className="composer" onSubmit={submit}>
      {trouble && <Trouble {...trouble} onRetry={stop} />}
      <div className="composer-box">
        <textarea
          ref={ref as Ref<HTMLTextAreaElement>}
          rows={1}
          aria-label={s.writeTo(name)}
          placeholder={s.writeTo(name)}
          value={draft}
          disabled={!canSend && draft === ""}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={onKeyDown}
          aria-describedby="composer-hint"
        />
        {isRunning && (
          <IconButton icon="stop" label={s.stop} className="stop" onClick={stop} disabled={isBusy} />
        )}
        <IconButton icon="send" label={s.send} className="send" type="submit" disabled={!canSubmit} />
      </div>
      <p className="hint" id="composer-hint">
        {isTooLong ? (
          <strong className="bad">{s.tooLong(length, CHARACTERS_MAX)}</strong>
        ) : waiting ? (
          s.keptUntilSent
        ) : (
          s.hint
        )}
      </p>
    </form>
  );
}

function useDraft(conversationId: string) {
  const { kept } = useStores();
  const key = `draft.${conversationId}`;
  const [draft, setDraft] = useState(() => kept.read<string>(key) ?? "");
  useEffect(() => kept.write(key, draft || undefined), [kept, key, draft]);
  return [draft, setDraft] as const;
}

/** Who opens a conversation can write at once. Not on a phone, whose keyboard would hide what is to be read. */
function useFirstFocus(ref: RefObject<HTMLTextAreaElement | null>, canWrite: boolean) {
  useEffect(() => {
    if (canWrite && isFocusFree() && matchMedia("(hover: hover)").matches)
      ref.current?.focus({ preventScroll: true });
  }, [ref, canWrite]);
}
