import type { Message } from "@parley-chat/sdk";
import { useState } from "react";
import { strings } from "../strings.ts";
import { IconButton } from "../ui/button.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { useCopy } from "../ui/use-copy.ts";

/** What one can do with a message. */
export function MessageActions(props: {
  message: Message;
  isBusy: boolean;
  isLast: boolean;
  onEdit: (() => void) | undefined;
  onRegenerate(): void;
  onChoose(step: -1 | 1): void;
  /** Rejects where it failed. */
  onRemove(): Promise<void>;
}) {
  const { message, isBusy, isLast, onEdit, onRegenerate, onChoose, onRemove } = props;
  const [isRemoving, setRemoving] = useState(false);
  const { outcome, copy } = useCopy();
  const { index, count } = message.siblings;
  const isPending = message.status === "pending";
  const isOff = isBusy || isPending;
  const s = strings.chat;
  const when = (isAllowed: boolean, act: () => void) => ({ disabled: !isAllowed, onClick: act });
  return (
    <div className="actions">
      {count > 1 && (
        <fieldset className="siblings" aria-label={s.versions}>
          <IconButton
            icon="back"
            label={s.versionBefore}
            {...when(!isBusy && index > 0, () => onChoose(-1))}
          />
          <span className="count">
            <span aria-hidden="true">
              {index + 1}/{count}
            </span>
            <span className="unseen">{s.version(index + 1, count)}</span>
          </span>
          <IconButton
            icon="next"
            label={s.versionAfter}
            {...when(!isBusy && index < count - 1, () => onChoose(1))}
          />
        </fieldset>
      )}
      {message.role === "assistant" && message.turn_id && isLast && (
        <IconButton icon="again" label={s.regenerate} {...when(!isOff, onRegenerate)} />
      )}
      {onEdit && <IconButton icon="edit" label={s.edit} {...when(!isOff, onEdit)} />}
      {message.content !== "" && navigator.clipboard && (
        <IconButton
          icon={outcome === "copied" ? "check" : outcome === "failed" ? "alert" : "copy"}
          label={outcome === "copied" ? strings.copied : outcome === "failed" ? strings.copyFailed : s.copy}
          onClick={() => void copy(message.content)}
        />
      )}
      <IconButton icon="trash" label={s.remove} {...when(!isOff, () => setRemoving(true))} />
      {isRemoving && (
        <Confirm
          title={s.removeTitle}
          text={s.removeText}
          action={s.remove}
          onClose={() => setRemoving(false)}
          onYes={onRemove}
        />
      )}
    </div>
  );
}
