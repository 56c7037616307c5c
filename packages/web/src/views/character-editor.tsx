import type { Character } from "@parley-chat/sdk";
import { type FormEvent, useState } from "react";
import { navigate, paths } from "../lib/router.ts";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { Button, IconButton, Link } from "../ui/button.tsx";
import { SelectField, TextArea, TextField } from "../ui/field.tsx";
import { Trouble } from "../ui/trouble.tsx";
import { useAction } from "../ui/use-action.ts";
import { useCharacter } from "../ui/use-character.ts";
import { MenuButton } from "./menu-button.tsx";
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
      {(!characterId || character) && <EditorForm key={character?.id ?? ""} character={character ?? null} />}
    </main>
  );
}

function EditorForm({ character }: { character: Character | null }) {
  const { client, characters } = useStores();
  const { isBusy, trouble, run } = useAction();
  const [greetings, setGreetings] = useState<readonly string[]>(character?.alternate_greetings ?? []);
  const s = strings.editor;

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = fieldsOf(new FormData(event.currentTarget), greetings);
    await run(async () => {
      const saved = character
        ? await client.characters.update(
            { character_id: character.id, ...fields },
            { ifMatch: `"${character.version}"` },
          )
        : await client.characters.create(fields);
      characters.save(saved);
      navigate(paths.character(saved.id));
    });
  };
  const text = (name: (typeof TEXTS)[number]) => (
    <TextArea
      key={name}
      label={s.fields[name]}
      hint={s.hints[name]}
      name={name}
      defaultValue={character?.[name] ?? ""}
      rows={name === "description" || name === "first_mes" ? 6 : 3}
    />
  );

  return (
    <form onSubmit={submit} className="panel">
      <TextField
        label={s.fields.name}
        name="name"
        required
        maxLength={200}
        defaultValue={character?.name}
        autoComplete="off"
      />
      <p className="hint">{s.macros}</p>
      {TEXTS.filter((name) => MAIN_TEXTS.has(name)).map(text)}
      <TextField
        label={s.fields.tags}
        hint={s.hints.tags}
        name="tags"
        defaultValue={character?.tags.join(", ")}
        autoComplete="off"
      />
      <details open={character !== null}>
        <summary>{s.more}</summary>
        <Greetings greetings={greetings} onChange={setGreetings} />
        {TEXTS.filter((name) => !MAIN_TEXTS.has(name)).map(text)}
        <TextField label={s.fields.creator} name="creator" defaultValue={character?.creator} />
        <TextField
          label={s.fields.character_version}
          name="character_version"
          defaultValue={character?.character_version}
        />
        <SelectField
          label={s.fields.visibility}
          name="visibility"
          defaultValue={character?.visibility ?? "private"}
        >
          <option value="private">{s.private}</option>
          <option value="public">{s.public}</option>
        </SelectField>
      </details>
      {trouble && <Trouble {...trouble} />}
      <div className="row end">
        <Link to={character ? paths.character(character.id) : paths.gallery} className="button quiet">
          {strings.cancel}
        </Link>
        <Button look="main" type="submit" disabled={isBusy}>
          {character ? strings.save : s.create}
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
function fieldsOf(form: FormData, greetings: readonly string[]) {
  const read = (name: string) => String(form.get(name) ?? "").replaceAll("\r\n", "\n");
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
    alternate_greetings: greetings.filter((greeting) => greeting.trim() !== ""),
    creator: read("creator"),
    character_version: read("character_version"),
    visibility: read("visibility") as "private" | "public",
  };
}
