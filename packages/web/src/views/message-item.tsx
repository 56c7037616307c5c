import type { Character, Message } from "@parley-chat/sdk";
import { memo, useRef, useState } from "react";
import type { Chat } from "../chat/chat.ts";
import { announce } from "../lib/announce.ts";
import { strings } from "../strings.ts";
import { Button } from "../ui/button.tsx";
import { Markdown } from "../ui/markdown.tsx";
import { Portrait } from "../ui/portrait.tsx";
import { Trouble } from "../ui/trouble.tsx";
import { useAction } from "../ui/use-action.ts";
import { useSwipe } from "../ui/use-swipe.ts";
import { MessageActions } from "./message-actions.tsx";
import { MessageEditor } from "./message-editor.tsx";

interface ItemProps {
  chat: Chat;
  message: Message;
  /** What is there of it now, which for a reply that is being made is more than is stored. */
  text: string;
  name: string;
  character: Character | null;
  problem: string | undefined;
  isLast: boolean;
  onRemoved(): void;
}

/** One message, in the place that it shares with its siblings. */
export const MessageItem = memo((props: ItemProps) => {
  const { chat, message, text, name, character, problem, isLast, onRemoved } = props;
  const [isEditing, setEditing] = useState(false);
  const { trouble, run, isBusy, again } = useAction();
  const ref = useRef<HTMLElement>(null);
  const s = strings.chat;
  const isMine = message.role === "user";
  const isPending = message.status === "pending";

  const regenerate = () => run(() => chat.regenerate(message));
  const choose = (step: -1 | 1) =>
    run(async () => {
      const shown = await chat.choose(message, step);
      if (shown) announce(s.version(shown.siblings.index + 1, shown.siblings.count));
    });
  const { index, count } = message.siblings;
  const canSwipe = isLast && !isMine && !isPending && !isBusy && message.turn_id !== undefined;
  // To the left is onwards; beyond the last version that is another reply.
  const swipe = useSwipe((step) => {
    if (!canSwipe) return;
    if (step === 1 && index === count - 1) void regenerate();
    else if (index + step >= 0) void choose(step);
  });
  const actions = (
    <MessageActions
      message={message}
      isBusy={isBusy}
      isLast={isLast}
      onEdit={isMine ? () => setEditing(true) : undefined}
      onRegenerate={regenerate}
      onChoose={(step) => void choose(step)}
      onRemove={async () => {
        await chat.remove(message);
        announce(s.removed);
        if (ref.current) ref.current.focus();
        else onRemoved();
      }}
    />
  );

  if (message.deleted_at) {
    return (
      <article className="message gone" ref={ref} tabIndex={-1}>
        <p className="hint">{s.deleted}</p>
        {/* Without it a conversation whose last reply was deleted would stand still. */}
        {isLast && message.turn_id !== undefined && !isMine && (
          <Button onClick={() => void regenerate()} disabled={isBusy}>
            {s.regenerate}
          </Button>
        )}
        {trouble && <Trouble {...trouble} onRetry={again} />}
      </article>
    );
  }
  return (
    <article
      ref={ref}
      tabIndex={-1}
      className={`message ${isMine ? "mine" : "theirs"} ${isLast ? "last" : ""}`}
      aria-label={isMine ? s.you : name}
      aria-busy={isPending}
      {...swipe}
    >
      {isEditing ? (
        <MessageEditor
          message={message}
          onCancel={() => {
            setEditing(false);
            requestAnimationFrame(() => ref.current?.focus());
          }}
          onSend={(content) => {
            setEditing(false);
            chat.edit(message, content);
            onRemoved();
          }}
        />
      ) : isMine ? (
        <div className="bubble">
          <Markdown text={text} />
        </div>
      ) : (
        <>
          <Portrait character={character} look="small" />
          <div className="reply">
            <p className="reply-name" aria-hidden="true">
              {name}
            </p>
            {text ? (
              <div className="prose">
                <Markdown text={text} isGrowing={isPending} />
              </div>
            ) : (
              isPending && <Dots label={s.writing(name)} />
            )}
            <Ending message={message} problem={problem} onAgain={regenerate} />
          </div>
        </>
      )}
      {trouble && <Trouble {...trouble} onRetry={again} />}
      {!isEditing && actions}
    </article>
  );
});

/** Says of a reply that it is not what it might have been. */
function Ending({
  message,
  problem,
  onAgain,
}: {
  message: Message;
  problem: string | undefined;
  onAgain(): void;
}) {
  const s = strings.chat;
  const { status, finish_reason: reason } = message;
  if (status === "failed" && reason === "stopped") return <p className="hint ending">{s.stoppedEmpty}</p>;
  if (status === "failed") return <Trouble text={problem ?? s.failed} canRetry onRetry={onAgain} />;
  if (status === "incomplete")
    return <p className="hint ending">{reason === "stopped" ? s.stopped : s.brokenOff}</p>;
  if (status === "complete" && reason === "length") return <p className="hint ending">{s.cutByLength}</p>;
  return null;
}

const Dots = ({ label }: { label: string }) => (
  <p className="dots">
    <span className="unseen">{label}</span>
    <i aria-hidden="true" />
    <i aria-hidden="true" />
    <i aria-hidden="true" />
  </p>
);
