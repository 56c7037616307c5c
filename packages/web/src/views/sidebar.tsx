import type { Conversation, User } from "@parley-chat/sdk";
import { useState } from "react";
import { paths, type Route } from "../lib/router.ts";
import { sentenceOf } from "../lib/sentence.ts";
import { useStore } from "../lib/store.ts";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { Button, Link } from "../ui/button.tsx";
import { Icon } from "../ui/icons.tsx";
import { Portrait } from "../ui/portrait.tsx";
import { Trouble } from "../ui/trouble.tsx";
import { useCharacter } from "../ui/use-character.ts";
import { timeAgo } from "./time-ago.ts";

const SEARCH_FROM = 6;

export function Sidebar({ route, user }: { route: Route; user: User }) {
  const s = strings.sidebar;
  const isGallery = ["gallery", "character", "new_character", "edit_character"].includes(route.name);
  return (
    <div className="sidebar">
      <Link to={paths.gallery} className="wordmark">
        {strings.brand}
      </Link>
      <Link to={paths.gallery} className="side-link" aria-current={isGallery ? "page" : undefined}>
        <Icon name="people" />
        {s.characters}
      </Link>
      <ConversationList openId={route.name === "chat" ? route.id : undefined} />
      <Link
        to={paths.settings}
        className="side-link me"
        aria-current={route.name === "settings" ? "page" : undefined}
      >
        <Icon name="gear" />
        {s.settings}
        <span className="clip hint">{user.display_name || user.email}</span>
      </Link>
    </div>
  );
}

function ConversationList({ openId }: { openId: string | undefined }) {
  const { conversations, characters } = useStores();
  const { items, status, error, next } = useStore(conversations.list);
  const { items: known } = useStore(characters.list);
  const [wanted, setWanted] = useState("");
  const [isArchive, setArchive] = useState(false);
  const s = strings.sidebar;

  const nameOf = new Map(known.map(({ id, name }) => [id, name]));
  const words = wanted.trim().toLowerCase();
  const matches = (one: Conversation) =>
    words === "" ||
    `${one.title} ${one.character_ids.map((id) => nameOf.get(id) ?? "").join(" ")}`
      .toLowerCase()
      .includes(words);
  const shown = items.filter((one) => (one.status === "archived") === isArchive && matches(one));
  const archivedCount = items.filter((one) => one.status === "archived").length;

  return (
    <section className="conversations" aria-label={s.conversations}>
      <div className="side-head">
        <h2>{isArchive ? s.archive : s.conversations}</h2>
        {(archivedCount > 0 || isArchive) && (
          <Button look="quiet" onClick={() => setArchive(!isArchive)}>
            {isArchive ? s.backToActive : s.showArchive(archivedCount)}
          </Button>
        )}
      </div>
      {(items.length >= SEARCH_FROM || wanted) && (
        <label className="search">
          <Icon name="search" />
          <span className="unseen">{s.search}</span>
          <input
            type="search"
            placeholder={s.search}
            value={wanted}
            onChange={(event) => setWanted(event.target.value)}
          />
        </label>
      )}
      {status === "loading" && <ListSkeleton />}
      {status === "failed" && (
        <Trouble {...sentenceOf(error)} canRetry onRetry={() => void conversations.load()} />
      )}
      {status === "ready" && shown.length === 0 && (
        <p className="hint">{wanted ? s.noMatch : isArchive ? s.emptyArchive : s.empty}</p>
      )}
      <ul>
        {shown.map((one) => (
          <ConversationItem key={one.id} conversation={one} isOpen={one.id === openId} />
        ))}
      </ul>
      {next !== null && (
        <Button look="quiet" onClick={() => void conversations.loadMore().catch(() => {})}>
          {s.more}
        </Button>
      )}
    </section>
  );
}

function ConversationItem({ conversation, isOpen }: { conversation: Conversation; isOpen: boolean }) {
  const character = useCharacter(conversation.character_ids[0]);
  const name = character?.name ?? (character === null ? strings.goneCharacter : "…");
  const isNamed = conversation.title !== "" && conversation.title !== name;
  const isWriting = conversation.active_turn_id !== null;
  const isUnread = !isOpen && !isWriting && conversation.message_count > conversation.last_read_seq;
  const s = strings.sidebar;
  return (
    <li>
      <Link
        to={paths.chat(conversation.id)}
        className={`conversation ${isUnread ? "unread" : ""}`}
        aria-current={isOpen ? "page" : undefined}
      >
        <Portrait character={character ?? null} look="small" />
        <span className="conversation-text">
          <span className="clip conversation-title">{conversation.title || name}</span>
          <span className="clip hint">
            {isWriting
              ? s.writing(name)
              : `${isNamed ? `${name} · ` : ""}${timeAgo(conversation.updated_at)}`}
          </span>
        </span>
        {isUnread && (
          <span className="dot">
            <span className="unseen">{s.unread}</span>
          </span>
        )}
      </Link>
    </li>
  );
}

const ListSkeleton = () => (
  <div className="skeletons" aria-hidden="true">
    {[0, 1, 2].map((n) => (
      <div className="skeleton line" key={n} />
    ))}
  </div>
);
