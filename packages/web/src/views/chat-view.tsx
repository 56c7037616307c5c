import type { Character, Message } from "@parley-chat/sdk";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { type Chat, createChat } from "../chat/chat.ts";
import { announce } from "../lib/announce.ts";
import { paths } from "../lib/router.ts";
import { sentenceOf } from "../lib/sentence.ts";
import { useStore } from "../lib/store.ts";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { Link } from "../ui/button.tsx";
import { wordsOf } from "../ui/markdown.tsx";
import { Portrait } from "../ui/portrait.tsx";
import { Trouble } from "../ui/trouble.tsx";
import { useCharacter } from "../ui/use-character.ts";
import { ChatMenu } from "./chat-menu.tsx";
import { Composer } from "./composer.tsx";
import { MenuButton } from "./menu-button.tsx";
import { MessageList } from "./message-list.tsx";
import { useMarkRead } from "./use-mark-read.ts";
import { usePage } from "./use-page.ts";

export function ChatView({ conversationId, openMenu }: { conversationId: string; openMenu(): void }) {
  const { conversations } = useStores();
  const chat = useChat(conversationId);
  const conversation = useStore(conversations.list).items.find(({ id }) => id === conversationId);
  const character = useCharacter(conversation?.character_ids[0]);
  if (!chat) return <main className="chat" id="main" tabIndex={-1} aria-busy="true" />;
  const name = character?.name ?? (character === null ? strings.goneCharacter : "");
  return (
    <main className="chat" id="main" tabIndex={-1}>
      <ChatHead
        title={conversation?.title || name}
        name={name}
        character={character ?? null}
        openMenu={openMenu}
        menu={conversation && <ChatMenu conversation={conversation} character={character ?? null} />}
      />
      <ChatBody chat={chat} name={name} character={character ?? null} conversationId={conversationId} />
    </main>
  );
}

/** The conversation as long as it is on the screen. */
function useChat(conversationId: string): Chat | null {
  const { client, live, conversations, kept, characters } = useStores();
  const [chat, setChat] = useState<Chat | null>(null);
  useEffect(() => {
    const onReply = async (message: Message) => {
      const character = message.character_id
        ? await characters.get(message.character_id).catch(() => null)
        : null;
      announce(strings.chat.said(character?.name ?? strings.goneCharacter, wordsOf(message.content)));
    };
    const made = createChat({
      client,
      live,
      conversations,
      kept,
      conversationId,
      soon: createSoon(),
      now: Date.now,
      // The server names a conversation after its character.
      isUnnamed: ({ title, character_ids }) =>
        title === "" || title === characters.list.get().items.find(({ id }) => id === character_ids[0])?.name,
      onReply: (message) => void onReply(message),
    });
    setChat(made);
    void made.load();
    return () => made.close();
  }, [client, live, conversations, kept, characters, conversationId]);
  return chat;
}

/** Work for the next picture of the screen; where none is drawn, it is done at once. */
function createSoon() {
  let isAsked = false;
  return (work: () => void) => {
    if (document.hidden) return work();
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      work();
    });
  };
}

function ChatHead(props: {
  title: string;
  name: string;
  character: Character | null;
  openMenu(): void;
  menu: React.ReactNode;
}) {
  const { title, name, character, openMenu, menu } = props;
  const heading = usePage(title);
  return (
    <header className="chat-head">
      <MenuButton onClick={openMenu} />
      <Portrait character={character} look="round" />
      <div className="chat-title">
        <h1 ref={heading} tabIndex={-1} className="clip">
          {title}
        </h1>
        <p className="hint clip">{strings.chat.withAi(title === name ? "" : name)}</p>
      </div>
      {menu}
    </header>
  );
}

function ChatBody(props: { chat: Chat; name: string; character: Character | null; conversationId: string }) {
  const { chat, name, character, conversationId } = props;
  const state = useStore(chat.state);
  const composer = useRef<HTMLTextAreaElement>(null);
  const [sentCount, setSentCount] = useState(0);
  const newest = useMemo(
    () => state.branch.messages.findLast(({ status }) => status !== "pending")?.seq ?? 0,
    [state.branch],
  );
  useMarkRead(conversationId, newest);
  // The same one at each drawing, or every message would be drawn again with it.
  const focusComposer = useCallback(() => composer.current?.focus(), []);

  if (state.status === "gone") {
    return (
      <div className="chat-middle">
        <p>{strings.chat.gone}</p>
        <Link to={paths.gallery}>{strings.nowhere.back}</Link>
      </div>
    );
  }
  return (
    <>
      {state.status === "failed" ? (
        <div className="chat-middle">
          <Trouble {...sentenceOf(state.error)} canRetry onRetry={() => void chat.load()} />
        </div>
      ) : (
        <MessageList
          chat={chat}
          state={state}
          name={name}
          character={character}
          sentCount={sentCount}
          focusComposer={focusComposer}
        />
      )}
      <Composer
        chat={chat}
        name={name}
        conversationId={conversationId}
        ref={composer}
        isRunning={state.branch.messages.some(({ status }) => status === "pending")}
        canSend={state.status === "ready" && character !== null}
        onSent={() => setSentCount((count) => count + 1)}
      />
    </>
  );
}
