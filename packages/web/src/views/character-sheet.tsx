import type { Character } from "@parley-chat/sdk";
import { useState } from "react";
import { navigate, paths } from "../lib/router.ts";
import { useStore } from "../lib/store.ts";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { Button, Link } from "../ui/button.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { ErrorBoundary } from "../ui/error-boundary.tsx";
import { SelectField } from "../ui/field.tsx";
import { Markdown } from "../ui/markdown.tsx";
import { Portrait } from "../ui/portrait.tsx";
import { Trouble } from "../ui/trouble.tsx";
import { useAction } from "../ui/use-action.ts";
import { useCharacter } from "../ui/use-character.ts";
import { ExportButtons } from "./card-export.tsx";
import { taglineOf } from "./tagline.ts";

/** A character looked at closely, and the way into a conversation. */
export function CharacterSheet({ characterId, onClose }: { characterId: string; onClose(): void }) {
  const character = useCharacter(characterId);
  if (character === undefined) return null;
  return (
    <Dialog title={character?.name ?? strings.goneCharacter} onClose={onClose}>
      {character ? <Sheet character={character} onClose={onClose} /> : <p>{strings.sheet.gone}</p>}
    </Dialog>
  );
}

function Sheet({ character, onClose }: { character: Character; onClose(): void }) {
  const { conversations, characters, preferences, user } = useStores();
  const { items } = useStore(conversations.list);
  const { isBusy, trouble, run } = useAction();
  const [greeting, setGreeting] = useState(0);
  const [isRemoving, setRemoving] = useState(false);
  const s = strings.sheet;
  const earlier = items.find((one) => one.character_ids[0] === character.id && one.status === "active");
  /** Under the index that the card gives them; a blank one would begin with nothing. */
  const greetings = [character.first_mes, ...character.alternate_greetings]
    .map((text, index) => ({ text, index }))
    .filter(({ text, index }) => index === 0 || text.trim() !== "");
  const begins = greetings.find(({ index }) => index === greeting)?.text;
  const isMine = character.owner_id === user.id;

  const start = () =>
    run(async () => {
      const settings = preferences.defaults.get();
      const conversation = await conversations.create(character.id, {
        ...(greeting > 0 && { greetingIndex: greeting }),
        ...(Object.keys(settings).length > 0 && { settings }),
      });
      navigate(paths.chat(conversation.id));
    });

  const fill = (text: string) =>
    text
      .replaceAll(/\{\{char\}\}/gi, character.name)
      .replaceAll(/\{\{user\}\}/gi, user.display_name || "User");

  return (
    <div className="sheet" tabIndex={-1}>
      <div className="sheet-top">
        <Portrait character={character} look="tall" size="full" />
        <div>
          <p className="sheet-line">{fill(taglineOf(character))}</p>
          {character.tags.length > 0 && (
            <p className="tags">
              {character.tags.map((tag) => (
                <span className="tag" key={tag}>
                  {tag}
                </span>
              ))}
            </p>
          )}
          {character.creator && <p className="hint">{s.by(character.creator)}</p>}
          <div className="row">
            <Button look="main" onClick={start} disabled={isBusy} data-autofocus>
              {s.start}
            </Button>
            {earlier && (
              <Link to={paths.chat(earlier.id)} className="button plain">
                {s.goOn}
              </Link>
            )}
          </div>
        </div>
      </div>
      {trouble && <Trouble {...trouble} onRetry={start} />}
      {greetings.length > 1 && (
        <SelectField
          label={s.greeting}
          value={greeting}
          onChange={(event) => setGreeting(Number(event.target.value))}
        >
          {greetings.map(({ index }) => (
            <option key={index} value={index}>
              {s.greetingName(index + 1)}
            </option>
          ))}
        </SelectField>
      )}
      {begins?.trim() && (
        <blockquote className="prose preview">
          <SafeMarkdown key={greeting} text={fill(begins)} />
        </blockquote>
      )}
      {character.description && (
        <details>
          <summary>{s.description}</summary>
          <div className="prose small">
            <SafeMarkdown text={fill(character.description)} />
          </div>
        </details>
      )}
      <div className="row sheet-foot">
        <ExportButtons character={character} />
        {isMine && (
          <>
            <Link to={paths.editCharacter(character.id)} className="button plain">
              {s.edit}
            </Link>
            <Button look="quiet" icon="trash" onClick={() => setRemoving(true)}>
              {s.remove}
            </Button>
          </>
        )}
      </div>
      {isRemoving && (
        <Confirm
          title={s.removeTitle(character.name)}
          text={s.removeText}
          action={s.remove}
          onClose={() => setRemoving(false)}
          onYes={async () => {
            await characters.remove(character.id);
            onClose();
          }}
        />
      )}
    </div>
  );
}

/** What others wrote into a card must not take the page with it. */
const SafeMarkdown = ({ text }: { text: string }) => (
  <ErrorBoundary instead={<p className="as-written">{text}</p>}>
    <Markdown text={text} />
  </ErrorBoundary>
);
