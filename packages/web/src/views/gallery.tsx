import type { Character } from "@parley-chat/sdk";
import { useMemo, useState } from "react";
import { navigate, paths } from "../lib/router.ts";
import { sentenceOf } from "../lib/sentence.ts";
import { useStore } from "../lib/store.ts";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { Link } from "../ui/button.tsx";
import { Icon } from "../ui/icons.tsx";
import { Portrait } from "../ui/portrait.tsx";
import { Trouble } from "../ui/trouble.tsx";
import { CardPicker } from "./card-drop.tsx";
import { CharacterSheet } from "./character-sheet.tsx";
import { MenuButton } from "./menu-button.tsx";
import { taglineOf } from "./tagline.ts";
import { usePage } from "./use-page.ts";

const TAGS_SHOWN = 3;
const SEARCH_FROM = 8;

export function Gallery({ chosenId, openMenu }: { chosenId: string | undefined; openMenu(): void }) {
  const { characters } = useStores();
  const { items, status, error } = useStore(characters.list);
  const [wanted, setWanted] = useState("");
  const heading = usePage(strings.gallery.title);
  const s = strings.gallery;
  const shown = useMemo(() => items.filter(matching(wanted)), [items, wanted]);

  return (
    <main className="page" id="main" tabIndex={-1}>
      <header className="page-head">
        <MenuButton onClick={openMenu} />
        <div className="page-title">
          <h1 ref={heading} tabIndex={-1}>
            {s.title}
          </h1>
          <p className="lead">{s.lead}</p>
        </div>
        <div className="row">
          <CardPicker />
          <Link to={paths.newCharacter} className="button plain">
            <Icon name="plus" />
            {s.create}
          </Link>
        </div>
      </header>
      {(items.length >= SEARCH_FROM || wanted) && (
        <label className="search wide-search">
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
      {status === "failed" && (
        <Trouble {...sentenceOf(error)} canRetry onRetry={() => void characters.load()} />
      )}
      {status === "loading" && <CardSkeletons />}
      {status === "ready" && shown.length === 0 && <p className="empty">{wanted ? s.noMatch : s.empty}</p>}
      <ul className="cards">
        {shown.map((character) => (
          <li key={character.id}>
            <CharacterCard character={character} />
          </li>
        ))}
      </ul>
      <p className="hint footer">{strings.aiNotice}</p>
      {chosenId && (
        <CharacterSheet key={chosenId} characterId={chosenId} onClose={() => navigate(paths.gallery)} />
      )}
    </main>
  );
}

const CharacterCard = ({ character }: { character: Character }) => (
  <Link to={paths.character(character.id)} className="card">
    <Portrait character={character} look="tall" />
    <span className="card-text">
      <span className="card-name">{character.name}</span>
      <span className="card-line">{taglineOf(character)}</span>
      {character.tags.length > 0 && (
        <span className="tags">
          {character.tags.slice(0, TAGS_SHOWN).map((tag) => (
            <span className="tag" key={tag}>
              {tag}
            </span>
          ))}
        </span>
      )}
    </span>
  </Link>
);

const CardSkeletons = () => (
  <div className="cards" aria-hidden="true">
    {[0, 1, 2, 3].map((n) => (
      <div className="skeleton card" key={n} />
    ))}
  </div>
);

function matching(wanted: string): (character: Character) => boolean {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  return ({ name, description, creator_notes, tags }) => {
    const text = `${name} ${tags.join(" ")} ${creator_notes} ${description}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
}
