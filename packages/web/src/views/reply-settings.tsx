import type { ConversationSettings, Model } from "@parley-chat/sdk";
import { useEffect, useId, useState } from "react";
import { useStores } from "../stores/stores.ts";
import { strings } from "../strings.ts";
import { Button } from "../ui/button.tsx";
import { SelectField, TextField } from "../ui/field.tsx";

const TEMPERATURE_SHOWN = 0.8;

/** Which model replies, and how freely. What is left alone follows the server. */
export function ReplySettings(props: {
  settings: ConversationSettings;
  onChange(settings: ConversationSettings): void;
}) {
  const { settings, onChange } = props;
  const { client } = useStores();
  const [models, setModels] = useState<readonly Model[] | null>(null);
  const [hasFailed, setFailed] = useState(false);
  const rangeId = useId();
  const s = strings.replySettings;

  useEffect(() => {
    client.models.list().then(
      ({ items }) => setModels(items),
      () => setFailed(true),
    );
  }, [client]);

  const change = <K extends keyof ConversationSettings>(
    name: K,
    value: ConversationSettings[K] | undefined,
  ) => {
    const { [name]: _, ...others } = settings;
    onChange((value === undefined ? others : { ...others, [name]: value }) as ConversationSettings);
  };
  const chosen = settings.model;
  const isListed = models?.some(({ id }) => id === chosen);
  const standard = models?.find((model) => model.default)?.id;

  return (
    <>
      <SelectField
        label={s.model}
        value={chosen ?? ""}
        onChange={(event) => change("model", event.target.value || undefined)}
        hint={hasFailed ? s.noModels : undefined}
      >
        <option value="">{standard ? s.standardIs(standard) : s.standard}</option>
        {chosen && !isListed && <option value={chosen}>{chosen}</option>}
        {models?.map(({ id }) => (
          <option key={id} value={id}>
            {id}
          </option>
        ))}
      </SelectField>
      <div className="field">
        <div className="field-head">
          <label htmlFor={rangeId}>
            {s.temperature}: {settings.temperature ?? s.standard}
          </label>
          {settings.temperature !== undefined && (
            <Button look="quiet" onClick={() => change("temperature", undefined)}>
              {s.reset}
            </Button>
          )}
        </div>
        <input
          id={rangeId}
          type="range"
          min={0}
          max={2}
          step={0.05}
          value={settings.temperature ?? TEMPERATURE_SHOWN}
          onChange={(event) => change("temperature", Number(event.target.value))}
        />
        <p className="hint">{s.temperatureHint}</p>
      </div>
      <TextField
        label={s.maxTokens}
        type="number"
        min={1}
        max={100_000}
        value={settings.max_tokens ?? ""}
        placeholder={s.standard}
        onChange={(event) => change("max_tokens", Number.parseInt(event.target.value, 10) || undefined)}
      />
    </>
  );
}
