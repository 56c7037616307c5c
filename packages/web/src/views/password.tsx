import type { FormEvent } from "react";
import { useState } from "react";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { Trouble } from "../ui/trouble.tsx";
import { useAction } from "../ui/use-action.ts";

/** Sets or changes the password; every other session ends with the old one. */
export function Password() {
  const { client } = useStores();
  const { isBusy, trouble, run } = useAction();
  const [isDone, setDone] = useState(false);
  const s = strings.settings;
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const data = new FormData(form);
    const current = String(data.get("current") ?? "");
    setDone(false);
    const changed = await run(() =>
      client.users.update({
        password: String(data.get("password")),
        ...(current && { current_password: current }),
      }),
    );
    if (!changed) return;
    form.reset();
    setDone(true);
  };
  return (
    <form onSubmit={submit}>
      <TextField
        label={s.currentPassword}
        name="current"
        type="password"
        maxLength={256}
        autoComplete="current-password"
        hint={s.currentPasswordHint}
      />
      <TextField
        label={s.newPassword}
        name="password"
        type="password"
        minLength={8}
        maxLength={256}
        required
        autoComplete="new-password"
      />
      {trouble && <Trouble {...trouble} />}
      <p role="status" className={isDone ? "good" : "unseen"}>
        {isDone ? s.passwordChanged : ""}
      </p>
      <Button type="submit" disabled={isBusy}>
        {s.changePassword}
      </Button>
    </form>
  );
}
