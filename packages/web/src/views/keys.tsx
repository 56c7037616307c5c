import type { Key } from "@parley-chat/sdk";
import { type FormEvent, useCallback, useEffect, useState } from "react";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { Button } from "../ui/button.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { TextField } from "../ui/field.tsx";
import { Trouble } from "../ui/trouble.tsx";
import { useAction } from "../ui/use-action.ts";
import { useCopy } from "../ui/use-copy.ts";
import { timeAgo } from "./time-ago.ts";

/** One's API keys: a new one is shown once, an old one is dead at once. */
export function Keys() {
  const { client } = useStores();
  const [keys, setKeys] = useState<readonly Key[]>([]);
  const [secret, setSecret] = useState<string | null>(null);
  const [revoking, setRevoking] = useState<Key | null>(null);
  const { isBusy, trouble, run } = useAction();
  const { outcome, copy } = useCopy();
  const s = strings.keys;
  const load = useCallback(
    () => run(async () => setKeys((await client.keys.list({ limit: 200 })).items)),
    [client, run],
  );
  useEffect(() => void load(), [load]);

  const create = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const name = String(new FormData(form).get("name") ?? "").trim();
    if (!name) return;
    const made = await run(async () => setSecret((await client.keys.create({ name })).secret));
    if (!made) return;
    form.reset();
    await load();
  };
  return (
    <>
      <form onSubmit={create} className="inline-form">
        <TextField
          label={s.name}
          name="name"
          maxLength={100}
          required
          autoComplete="off"
          placeholder={s.example}
        />
        <Button type="submit" disabled={isBusy}>
          {s.create}
        </Button>
      </form>
      {trouble && <Trouble {...trouble} onRetry={() => void load()} />}
      {secret && (
        <div className="secret" role="status">
          <p>{s.once}</p>
          <code>{secret}</code>
          {navigator.clipboard && (
            <Button icon="copy" onClick={() => void copy(secret)}>
              {outcome === "copied" ? strings.copied : s.copy}
            </Button>
          )}
          {outcome === "failed" && <p>{strings.copyFailed}</p>}
        </div>
      )}
      {keys.length > 0 && (
        <ul className="keys">
          {keys.map((key) => (
            <li key={key.id}>
              <span>
                <strong>{key.name}</strong>
                <span className="hint">
                  {" "}
                  {key.last_used_at ? s.used(timeAgo(key.last_used_at)) : s.unused}
                </span>
              </span>
              <Button
                look="quiet"
                icon="trash"
                onClick={() => setRevoking(key)}
                aria-label={s.revokeNamed(key.name)}
              >
                {s.revoke}
              </Button>
            </li>
          ))}
        </ul>
      )}
      {revoking && (
        <Confirm
          title={s.revokeNamed(revoking.name)}
          text={s.revokeText}
          action={s.revoke}
          onClose={() => setRevoking(null)}
          onYes={async () => {
            await client.keys.remove({ key_id: revoking.id });
            setKeys((old) => old.filter(({ id }) => id !== revoking.id));
          }}
        />
      )}
    </>
  );
}
