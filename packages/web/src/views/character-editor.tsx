import type { Character } from "@parley-chat/sdk";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { navigate, paths } from "../lib/router.ts";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { Button, IconButton, Link } from "../ui/button.tsx";
import { SelectField, TextArea, TextField } from "../ui/field.tsx";
import { Trouble } from "../ui/trouble.tsx";
import { useAction } from "../ui/use-action.ts";
import { useCharacter } from "../ui/use-character.ts";
import { MenuButton } from "./menu-button.tsx";
import { type PictureChoice, PictureField } from "./picture-field.tsx";
import { type CharacterFields, useCharacterDraft } from "./use-character-draft.ts";
import { usePage } from "./use-page.ts";

const TEXTS = [
  "description",
  "personality",
  "scenario",
  "first_mes",
  "mes_example",
  "creator_notes",
  "system_prompt",
  "post_history_instructions",
] as const;
/** What a first draft needs; the rest waits behind a fold. */
const MAIN_TEXTS = new Set<string>(["description", "personality", "scenario", "first_mes"]);

export function CharacterEditor({ characterId, openMenu }: { characterId?: string; openMenu(): void }) {
  const character = useCharacter(characterId);
  const s = strings.editor;
  const title = characterId ? s.editTitle : s.newTitle;
  const heading = usePage(title);
  return (
    <main className="page narrow" id="main" tabIndex={-1}>
      <header className="page-head">
        <MenuButton onClick={openMenu} />
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
      </header>
      {characterId && character === null && <p>{strings.sheet.gone}</p>}
      {(!characterId || character) && <Editor key={character?.id ?? ""} character={character ?? null} />}
    </main>
  );
}

/** Begins with what was not saved the last time, and says so. */
function Editor({ character }: { character: Character | null }) {
  const draft = useCharacterDraft(character);
  const [begun, setBegun] = useState({ fields: draft.fields, isOlder: draft.isOlder, count: 0 });
  const s = strings.editor;
  const discard = () => {
    draft.drop();
    setBegun({ fields: null, isOlder: false, count: begun.count + 1 });
  };
  return (
    <>
      {begun.fields && (
        <div className="row draft" role="status">
          <p>{begun.isOlder ? s.draftOlder : s.draft}</p>
          <Button onClick={discard}>{s.discard}</Button>
        </div>
      )}
      <EditorForm key={begun.count} character={character} begin={begun.fields ?? character} />
    </>
  );
}

function EditorForm(props: { character: Character | null; begin: CharacterFields | null }) {
  const { character, begin } = props;
  const { client, characters } = useStores();
  const { isBusy, trouble, run } = useAction();
  const form = useRef<HTMLFormElement>(null);
  const [greetings, setGreetings] = useState<readonly string[]>(begin?.alternate_greetings ?? []);
  const [picture, setPicture] = useState<PictureChoice>("stays");
  /** What is stored: a second try goes on from there, and what is typed then is a draft of it. */
  const [saved, setSaved] = useState(character);
  const draft = useCharacterDraft(saved);
  const [isHalfSaved, setHalfSaved] = useState(false);
  const begunGreetings = useRef(greetings);
  const s = strings.editor;

  const keep = () => form.current && draft.keep(fieldsOf(new FormData(form.current)));
  // A greeting that is taken out is no input of the form.
  // biome-ignore lint/correctness/useExhaustiveDependencies: only what is typed or taken out is kept
  useEffect(() => {
    if (greetings !== begunGreetings.current) keep();
  }, [greetings]);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = fieldsOf(new FormData(event.currentTarget));
    setHalfSaved(false);
    await run(async () => {
      const stored = saved
        ? await client.characters.update(
            { character_id: saved.id, ...fields },
            { ifMatch: `"${saved.version}"` },
          )
        : await client.characters.create(fields);
      draft.drop();
      characters.save(stored);
      setSaved(stored);
      setHalfSaved(true);
      characters.save(await characters.setPicture(stored, picture));
      navigate(paths.character(stored.id));
    });
  };
  const text = (name: (typeof TEXTS)[number]) => (
    <TextArea
      key={name}
      label={s.fields[name]}
      hint={s.hints[name]}
      name={name}
      defaultValue={begin?.[name] ?? ""}
      rows={name === "description" || name === "first_mes" ? 6 : 3}
    />
  );

  return (
    <form ref={form} onSubmit={submit} onInput={keep} className="panel">
      <TextField
        label={s.fields.name}
        name="name"
        required
        maxLength={200}
        defaultValue={begin?.name}
        autoComplete="off"
      />
      <PictureField character={saved} choice={picture} onChange={setPicture} />
      {TEXTS.filter((name) => MAIN_TEXTS.has(name)).map(text)}
      <TextField
        label={s.fields.tags}
        hint={s.hints.tags}
        name="tags"
        defaultValue={begin?.tags.join(", ")}
        autoComplete="off"
      />
      <details open={character !== null}>
        <summary>{s.more}</summary>
        <Greetings greetings={greetings} onChange={setGreetings} />
        {TEXTS.filter((name) => !MAIN_TEXTS.has(name)).map(text)}
        <TextField label={s.fields.creator} name="creator" defaultValue={begin?.creator} />
        <TextField
          label={s.fields.character_version}
          name="character_version"
          defaultValue={begin?.character_version}
        />
        <SelectField
          label={s.fields.visibility}
          name="visibility"
          defaultValue={begin?.visibility ?? "private"}
        >
          <option value="private">{s.private}</option>
          <option value="public">{s.public}</option>
        </SelectField>
      </details>
      {trouble && <Trouble text={isHalfSaved ? s.pictureNotSaved(trouble.text) : trouble.text} />}
      <div className="row end">
        <Link
          to={saved ? paths.character(saved.id) : paths.gallery}
          className="button quiet"
          onClick={draft.drop}
        >
          {strings.cancel}
        </Link>
        <Button look="main" type="submit" disabled={isBusy}>
          {saved ? strings.save : s.create}
        </Button>
      </div>
    </form>
  );
}

function Greetings({
  greetings,
  onChange,
}: {
  greetings: readonly string[];
  onChange(next: readonly string[]): void;
}) {
  const s = strings.editor;
  return (
    <fieldset className="greetings">
      <legend>{s.otherGreetings}</legend>
      {greetings.map((greeting, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: greetings have no other name than their place
        <div className="greeting" key={index}>
          <TextArea
            label={s.greeting(index + 2)}
            name="greeting"
            value={greeting}
            onChange={(event) => onChange(greetings.with(index, event.target.value))}
          />
          <IconButton
            icon="trash"
            label={s.removeGreeting(index + 2)}
            onClick={() => onChange(greetings.toSpliced(index, 1))}
          />
        </div>
      ))}
      <Button icon="plus" onClick={() => onChange([...greetings, ""])}>
        {s.addGreeting}
      </Button>
    </fieldset>
  );
}

/** The whole fields that the form sets, as the API takes them. */
function fieldsOf(form: FormData): CharacterFields {
  const plain = (value: unknown) => String(value ?? "").replaceAll("\r\n", "\n");
  const read = (name: string) => plain(form.get(name));
  const texts = Object.fromEntries(TEXTS.map((name) => [name, read(name)])) as Record<
    (typeof TEXTS)[number],
    string
  >;
  const tags = read("tags")
    .split(",")
    .map((tag) => tag.trim());
  return {
    ...texts,
    name: read("name").trim(),
    tags: [...new Set(tags.filter(Boolean))],
    alternate_greetings: form
      .getAll("greeting")
      .map(plain)
      .filter((greeting) => greeting.trim() !== ""),
    creator: read("creator"),
    character_version: read("character_version"),
    visibility: read("visibility") as "private" | "public",
  };
}
