import type { Character, Message } from "@parley-chat/sdk";
import { useEffect, useLayoutEffect, useRef } from "react";
import type { Chat, ChatState } from "../chat/chat.ts";
import type { Outgoing } from "../chat/outbox.ts";
import { runningReply } from "../chat/running.ts";
import { useStore } from "../lib/store.ts";
import { strings } from "../strings.ts";
import { Button, IconButton } from "../ui/button.tsx";
import { ErrorBoundary } from "../ui/error-boundary.tsx";
import { Trouble } from "../ui/trouble.tsx";
import { useAction } from "../ui/use-action.ts";
import { useKeptPlace } from "../ui/use-kept-place.ts";
import { useStick } from "../ui/use-stick.ts";
import { MessageItem } from "./message-item.tsx";

export function MessageList(props: {
  chat: Chat;
  state: ChatState;
  name: string;
  character: Character | null;
  /** Counts one's own sends: each brings the end into sight. */
  sentCount: number;
  focusComposer(): void;
}) {
  const { chat, state, name, character, sentCount, focusComposer } = props;
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const { isAway, toEnd } = useStick(box, content);
  const outgoing = useStore(chat.outbox.items);
  const { messages, before } = state.branch;
  const s = strings.chat;

  // biome-ignore lint/correctness/useExhaustiveDependencies: a send, or the first page, brings the end into sight
  useLayoutEffect(() => toEnd(), [sentCount, state.status, toEnd]);

  useKeptPlace(box, content, messages[0]?.id);

  const shown = messages.filter(
    (message) => message.content !== "" || message.deleted_at || message.status !== "complete",
  );
  const last = shown.at(-1);
  const isEmpty = state.status === "ready" && shown.length + outgoing.length === 0 && before === null;
  return (
    <div className="chat-scroll-frame">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <div className="chat-scroll" ref={box} tabIndex={0} role="log" aria-live="off" aria-label={s.messages}>
        <div className="messages" ref={content}>
          {state.status === "loading" && messages.length === 0 && <MessageSkeletons />}
          {isEmpty && character && <p className="hint nothing-yet">{s.nothingYet}</p>}
          {before !== null && <Older chat={chat} box={box} />}
          {shown.map((message) => (
            <ErrorBoundary
              key={`${message.parent_id}.${message.role}`}
              instead={<AsWritten message={message} name={name} />}
            >
              <MessageItem
                chat={chat}
                message={message}
                text={runningReply(state.running, message.id)?.text ?? message.content}
                name={name}
                character={character}
                problem={state.problems[message.id]}
                isLast={message === last && outgoing.length === 0}
                onRemoved={focusComposer}
              />
            </ErrorBoundary>
          ))}
          {outgoing
            .filter(({ id }) => !messages.some((message) => message.client_message_id === id))
            .map((item) => (
              <OutgoingItem key={item.id} item={item} chat={chat} />
            ))}
        </div>
      </div>
      {isAway && (
        <IconButton
          icon="down"
          label={s.toEnd}
          className="to-end"
          onClick={() => {
            toEnd(true);
            focusComposer();
          }}
        />
      )}
    </div>
  );
}

/** Reads older messages when their place comes into sight. */
function Older({ chat, box }: { chat: Chat; box: React.RefObject<HTMLDivElement | null> }) {
  const ref = useRef<HTMLDivElement>(null);
  const { trouble, run, isBusy } = useAction();
  const load = () => void run(() => chat.loadOlder());
  // biome-ignore lint/correctness/useExhaustiveDependencies: looks again after every page
  useEffect(() => {
    if (!ref.current || isBusy || trouble) return;
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && load(), {
      root: box.current,
    });
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, [isBusy, trouble]);
  return (
    <div ref={ref} className="older">
      {trouble ? (
        <Trouble {...trouble} onRetry={load} />
      ) : (
        <Button onClick={load}>{strings.chat.older}</Button>
      )}
    </div>
  );
}

function OutgoingItem({ item, chat }: { item: Outgoing; chat: Chat }) {
  const s = strings.chat;
  return (
    <article className="message mine" aria-label={s.you}>
      <div className="bubble">{item.content}</div>
      {item.trouble ? (
        <div className="message-foot">
          <Trouble text={s.notSent(item.trouble.text)} />
          <Button onClick={() => void chat.outbox.retry(item.id)}>{strings.retry}</Button>
          <Button look="quiet" onClick={() => chat.outbox.drop(item.id)}>
            {s.discard}
          </Button>
        </div>
      ) : (
        <p className="hint sending">{s.sending}</p>
      )}
    </article>
  );
}

/** A message that could not be shown as it should be. */
const AsWritten = ({ message, name }: { message: Message; name: string }) => (
  <article className="message" aria-label={message.role === "user" ? strings.chat.you : name}>
    <p className="as-written">{message.content}</p>
  </article>
);

const MessageSkeletons = () => (
  <div className="skeletons" aria-hidden="true">
    <div className="skeleton text" />
    <div className="skeleton text short" />
    <div className="skeleton text" />
  </div>
);
