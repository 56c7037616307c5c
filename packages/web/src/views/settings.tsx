import type { User } from "@parley-chat/sdk";
import { type FormEvent, type ReactNode, useContext, useState } from "react";
import { announce } from "../lib/announce.ts";
import { navigate, paths } from "../lib/router.ts";
import { useStore } from "../lib/store.ts";
import { themes } from "../lib/theme.ts";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { Button } from "../ui/button.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { download } from "../ui/download.ts";
import { TextField } from "../ui/field.tsx";
import { Trouble } from "../ui/trouble.tsx";
import { useAction } from "../ui/use-action.ts";
import { Keys } from "./keys.tsx";
import { MenuButton } from "./menu-button.tsx";
import { Password } from "./password.tsx";
import { ReplySettings } from "./reply-settings.tsx";
import { ThemeContext } from "./theme-context.ts";
import { usePage } from "./use-page.ts";

export function Settings({ user, openMenu }: { user: User; openMenu(): void }) {
  const { preferences } = useStores();
  const defaults = useStore(preferences.defaults);
  const s = strings.settings;
  const heading = usePage(s.title);
  return (
    <main className="page narrow" id="main" tabIndex={-1}>
      <header className="page-head">
        <MenuButton onClick={openMenu} />
        <h1 ref={heading} tabIndex={-1}>
          {s.title}
        </h1>
      </header>
      <Profile user={user} />
      <Look />
      <Panel title={s.replies} lead={s.repliesLead}>
        <ReplySettings settings={defaults} onChange={preferences.change} />
      </Panel>
      <Panel title={s.keys} lead={s.keysLead}>
        <Keys />
      </Panel>
      <Panel title={s.password} lead={user.email ? s.passwordLead(user.email) : ""}>
        <Password />
      </Panel>
      <Leaving user={user} />
      <p className="hint footer">
        {strings.aiNotice} <a href="/docs">{s.docs}</a>
      </p>
    </main>
  );
}

const Panel = ({ title, lead, children }: { title: string; lead?: string; children: ReactNode }) => (
  <section className="panel" aria-label={title}>
    <h2>{title}</h2>
    {lead && <p className="hint">{lead}</p>}
    {children}
  </section>
);

function Profile({ user }: { user: User }) {
  const { client, session } = useStores();
  const { isBusy, trouble, run } = useAction();
  const s = strings.settings;
  const save = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name") ?? "").trim();
    if (!name) return;
    await run(async () => {
      session.changed(await client.users.update({ display_name: name }));
      announce(s.saved);
    });
  };
  return (
    <Panel title={s.you}>
      <form onSubmit={save}>
        <TextField
          label={s.displayName}
          name="name"
          defaultValue={user.display_name}
          placeholder={s.displayNameMissing}
          maxLength={100}
          required
          autoComplete="name"
          hint={s.displayNameHint}
        />
        {trouble && <Trouble {...trouble} />}
        <Button look="main" type="submit" disabled={isBusy}>
          {strings.save}
        </Button>
      </form>
    </Panel>
  );
}

function Look() {
  const theme = useContext(ThemeContext);
  const s = strings.settings;
  if (!theme) return null;
  return <LookChoice choice={theme} title={s.look} />;
}

function LookChoice({
  choice,
  title,
}: {
  choice: NonNullable<React.ContextType<typeof ThemeContext>>;
  title: string;
}) {
  const chosen = useStore(choice.choice);
  return (
    <section className="panel">
      <fieldset className="choices">
        <legend>
          <h2>{title}</h2>
        </legend>
        {themes.map((theme) => (
          <label key={theme} className="choice">
            <input
              type="radio"
              name="theme"
              value={theme}
              checked={theme === chosen}
              onChange={() => choice.choose(theme)}
            />
            {strings.settings.themes[theme]}
          </label>
        ))}
      </fieldset>
    </section>
  );
}

function Leaving({ user }: { user: User }) {
  const { client, session } = useStores();
  const { isBusy, trouble, run } = useAction();
  const [isErasing, setErasing] = useState(false);
  const s = strings.settings;
  const exportAll = () =>
    run(async () => {
      const all = new Blob([JSON.stringify(await client.users.export(), null, 2)], {
        type: "application/json",
      });
      download(all, "parley-export.json");
    });
  const signOut = () =>
    run(async () => {
      await session.signOut();
      navigate(paths.signIn, { replace: true });
    });
  return (
    <Panel title={s.account}>
      {trouble && <Trouble {...trouble} />}
      <div className="row">
        <Button onClick={signOut} disabled={isBusy}>
          {s.signOut}
        </Button>
        <Button onClick={exportAll} disabled={isBusy}>
          {s.export}
        </Button>
        {user.role !== "owner" && (
          <Button look="danger" onClick={() => setErasing(true)}>
            {s.erase}
          </Button>
        )}
      </div>
      {isErasing && (
        <Confirm
          title={s.eraseTitle}
          text={s.eraseText}
          action={s.erase}
          onClose={() => setErasing(false)}
          onYes={async () => {
            await client.users.remove();
            session.forget();
            navigate(paths.signIn, { replace: true });
          }}
        />
      )}
    </Panel>
  );
}
