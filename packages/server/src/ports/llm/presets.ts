/** A provider that speaks the OpenAI wire. A new one is a row here. */
export interface Preset {
  /** How people call it. */
  readonly title: string;
  readonly defaultBaseUrl: string;
  /** The settings that say where it is, and its key where it takes one. */
  readonly baseUrlSetting: string;
  readonly keySetting: string | null;
  /** It runs on people's own machines, where a first word may take long. */
  readonly isLocal: boolean;
  /** `done`: a finish reason and `[DONE]`. `finish`: for a server known to leave out `[DONE]`. */
  readonly marker: "done" | "finish";
  /** It serves LM Studio's own list of models, with their windows, at `/api/v0/models`. */
  readonly hasLmStudioList: boolean;
}

export const presets = {
  openai: {
    title: "OpenAI",
    defaultBaseUrl: "https://api.openai.com/v1",
    baseUrlSetting: "OPENAI_BASE_URL",
    keySetting: "OPENAI_API_KEY",
    isLocal: false,
    marker: "done",
    hasLmStudioList: false,
  },
  lmstudio: {
    title: "LM Studio",
    defaultBaseUrl: "http://127.0.0.1:1234/v1",
    baseUrlSetting: "LMSTUDIO_BASE_URL",
    keySetting: null,
    isLocal: true,
    marker: "done",
    hasLmStudioList: true,
  },
} as const satisfies Record<string, Preset>;

/** What to call the provider at an address: another server may stand in for a hosted one. */
export const titleOf = (preset: Preset, baseUrl: string): string =>
  preset.isLocal || baseUrl.startsWith(new URL(preset.defaultBaseUrl).origin) ? preset.title : "The provider";
