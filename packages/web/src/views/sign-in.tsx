import type { Problem, User } from "@parley-chat/sdk";
import { type FormEvent, type ReactNode, useState } from "react";
import { navigate, paths } from "../lib/router.ts";
import { sentenceOf } from "../lib/sentence.ts";
import type { PageSession } from "../lib/session.ts";
import { strings } from "../strings.ts";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { Trouble } from "../ui/trouble.tsx";
import { useAction } from "../ui/use-action.ts";
import { usePage } from "./use-page.ts";

export function SignIn(props: {
  session: PageSession;
  /** Who is signed in all the same, though the link did not work. */
  user: User | null;
  isRegistrationOpen: boolean;
  linkError: unknown;
  /** Why an earlier session could not be taken up. */
  error: Problem | undefined;
  hasExpired: boolean;
  onContinue(): void;
}) {
  const { session, user, isRegistrationOpen, linkError, error, hasExpired, onContinue } = props;
  const [isNew, setNew] = useState(false);
  const s = strings.signIn;
  const heading = usePage(s.title);
  const linkText =
    linkError === undefined ? null : isUsedLink(linkError) ? s.linkUsed : sentenceOf(linkError).text;
  return (
    <main className="alone sign-in" tabIndex={-1}>
      <header>
        <h1 ref={heading} tabIndex={-1} className="wordmark">
          {strings.brand}
        </h1>
        <p className="lead">{s.lead}</p>
      </header>
      {linkText && <Trouble text={linkText} />}
      {error && <Trouble text={sentenceOf(error).text} />}
      {hasExpired && !linkText && <Trouble text={s.expired} />}
      {user ? (
        <section className="panel">
          <p>{s.stillSignedIn(user.display_name || user.email || "")}</p>
          <Button look="main" onClick={onContinue}>
            {s.goOn}
          </Button>
        </section>
      ) : (
        <>
          <section className="panel">
            <h2>{s.byLink}</h2>
            <p>{s.openLink}</p>
            <p className="hint">
              {s.lostLink} <code>npx parley sign-in-link</code>
            </p>
          </section>
          <section className="panel">
            <h2>{isNew ? s.register : s.byAccount}</h2>
            <AccountForm key={String(isNew)} session={session} isNew={isNew}>
              {isRegistrationOpen && (
                <Button look="quiet" onClick={() => setNew(!isNew)}>
                  {isNew ? s.haveAccount : s.noAccount}
                </Button>
              )}
            </AccountForm>
          </section>
        </>
      )}
      <p className="hint">{strings.aiNotice}</p>
    </main>
  );
}

function AccountForm(props: { session: PageSession; isNew: boolean; children: ReactNode }) {
  const { session, isNew, children } = props;
  const { isBusy, trouble, run } = useAction();
  const s = strings.signIn;
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [email, password, name] = ["email", "password", "name"].map((field) =>
      String(form.get(field) ?? "").trim(),
    );
    const account = { email: email as string, password: String(form.get("password")) };
    const entered = await run(() =>
      isNew ? session.register({ ...account, ...(name && { display_name: name }) }) : session.signIn(account),
    );
    if (entered && password) navigate(paths.gallery, { replace: true });
  };
  return (
    <form onSubmit={submit}>
      {isNew && (
        <TextField label={s.name} name="name" maxLength={100} autoComplete="name" hint={s.nameHint} />
      )}
      <TextField label={s.email} name="email" type="email" required autoComplete="username" />
      <TextField
        label={s.password}
        name="password"
        type="password"
        required
        minLength={isNew ? 8 : undefined}
        maxLength={256}
        autoComplete={isNew ? "new-password" : "current-password"}
        hint={isNew ? s.passwordHint : undefined}
      />
      {trouble && <Trouble {...trouble} />}
      <div className="row">
        <Button look="main" type="submit" disabled={isBusy}>
          {isNew ? s.registerAction : s.action}
        </Button>
        {children}
      </div>
    </form>
  );
}

const isUsedLink = (error: unknown) =>
  typeof error === "object" && error !== null && Reflect.get(error, "code") === "unauthenticated";
