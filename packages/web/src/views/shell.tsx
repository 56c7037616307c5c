import type { User } from "@parley-chat/sdk";
import { useEffect, useState } from "react";
import { paths, type Route } from "../lib/router.ts";
import { useStore } from "../lib/store.ts";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { Link } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { CardDrop } from "./card-drop.tsx";
import { CharacterEditor } from "./character-editor.tsx";
import { ChatView } from "./chat-view.tsx";
import { Gallery } from "./gallery.tsx";
import { MenuButton } from "./menu-button.tsx";
import { Settings } from "./settings.tsx";
import { Sidebar } from "./sidebar.tsx";
import { useOnline } from "./use-online.ts";
import { usePage } from "./use-page.ts";

/** The page of who is signed in: conversations at the side, and what was chosen beside them. */
export function Shell({ route, user }: { route: Route; user: User }) {
  const { conversations, characters } = useStores();
  const [isMenuOpen, setMenuOpen] = useState(false);
  const place = route.name === "chat" ? route.id : route.name;

  useEffect(() => {
    void conversations.load();
    void characters.load();
  }, [conversations, characters]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the menu closes when one has gone somewhere
  useEffect(() => setMenuOpen(false), [place]);

  const openMenu = () => setMenuOpen(true);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        {strings.skip}
      </a>
      <nav className="side" aria-label={strings.sidebar.label}>
        <Sidebar route={route} user={user} />
      </nav>
      {isMenuOpen && (
        <Dialog title={strings.sidebar.label} look="drawer" onClose={() => setMenuOpen(false)} isTitleHidden>
          <Sidebar route={route} user={user} />
        </Dialog>
      )}
      <div className="stage">
        <ConnectionBanner />
        <View route={route} user={user} openMenu={openMenu} />
      </div>
      <CardDrop />
    </div>
  );
}

function View({ route, user, openMenu }: { route: Route; user: User; openMenu(): void }) {
  switch (route.name) {
    case "chat":
      return <ChatView key={route.id} conversationId={route.id} openMenu={openMenu} />;
    case "settings":
      return <Settings user={user} openMenu={openMenu} />;
    case "new_character":
      return <CharacterEditor openMenu={openMenu} />;
    case "edit_character":
      return <CharacterEditor key={route.id} characterId={route.id} openMenu={openMenu} />;
    case "gallery":
    case "character":
      return <Gallery chosenId={route.name === "character" ? route.id : undefined} openMenu={openMenu} />;
    default:
      return <Nowhere openMenu={openMenu} />;
  }
}

function Nowhere({ openMenu }: { openMenu(): void }) {
  const heading = usePage(strings.nowhere.title);
  return (
    <main className="page" id="main" tabIndex={-1}>
      <header className="page-head">
        <MenuButton onClick={openMenu} />
        <h1 ref={heading} tabIndex={-1}>
          {strings.nowhere.title}
        </h1>
      </header>
      <p>
        <Link to={paths.gallery}>{strings.nowhere.back}</Link>
      </p>
    </main>
  );
}

/** Says that what is shown may be old, only when that lasts. */
function ConnectionBanner() {
  const { live } = useStores();
  const state = useStore(live.state);
  const trouble = useStore(live.trouble);
  const isOnline = useOnline();
  const text = !isOnline
    ? strings.offline
    : state === "offline"
      ? strings.reconnecting
      : (trouble?.text ?? null);
  return (
    <div role="status" className={text ? "banner" : ""}>
      {text}
    </div>
  );
}
