import { groups, type ReadConfig, settings } from "../config.ts";
import type { Setting } from "./setting.ts";

const groupsOfSettings = Object.entries(groups) as unknown as [string, Record<string, Setting<unknown>>][];

/** The reference page of the settings, in Markdown. */
export function renderConfigDocs(): string {
  const parts = groupsOfSettings.map(([title, group]) => {
    const rows = Object.values(group).map(
      (s) => `| \`${s.name}\` | ${s.about}${s.isSecret ? " Secret." : ""} | ${s.type} | ${absent(s)} |`,
    );
    return `## ${title}\n\n| name | what it does | value | if absent |\n|---|---|---|---|\n${rows.join("\n")}\n`;
  });
  return `# Settings

Read from the environment and from a file \`.env\` in the working folder; the environment wins. An empty value
counts as absent. \`parley config check\` says whether they are right, \`parley config print\` what they come to.

${parts.join("\n")}`;
}

function absent(setting: Setting<unknown>): string {
  if (setting.default === undefined) return setting.unset ?? "";
  return setting.default === "" ? "none" : `\`${setting.default}\``;
}

/** `.env.example`: every setting, commented out, with what it is when absent. */
export function renderEnvExample(): string {
  const parts = groupsOfSettings.map(([title, group]) => {
    const lines = Object.values(group).map((s) => {
      const unset = s.default === undefined && s.unset ? ` Absent: ${s.unset.replaceAll("`", "")}.` : "";
      return `# ${s.about}${unset}\n#${s.name}=${s.default ?? ""}\n`;
    });
    return `# --- ${title} ---\n\n${lines.join("\n")}`;
  });
  return `# Copy to .env and take the # from what you want to change; \`parley config check\` reads it.\n\n${parts.join("\n")}`;
}

/** What every setting comes to and where it comes from, as lines of a `.env`; secrets are masked. */
export function renderConfig({ config, sources }: ReadConfig): string {
  const lines = Object.entries<Setting<unknown>>(settings).map(([key, setting]) => {
    const { name, isSecret, unset } = setting;
    const value = config[key as keyof typeof config];
    const text = value === undefined ? "" : Array.isArray(value) ? value.join(",") : String(value);
    return {
      line: text === "" ? `#${name}=` : `${name}=${isSecret ? "********" : text}`,
      source: `${sources.get(name)}${text === "" && unset ? `: ${unset.replaceAll("`", "")}` : ""}`,
    };
  });
  const width = Math.min(60, Math.max(...lines.map(({ line }) => line.length)));
  return `${lines.map(({ line, source }) => `${line.padEnd(width)}  # ${source}`).join("\n")}\n`;
}
