import { renderConfig, renderConfigDocs } from "../config/render.ts";
import { loadConfig } from "../config.ts";
import { isOutOfFiles } from "../kit/out-of-files.ts";
import { StartError } from "../kit/start-error.ts";
import { type Command, helpOf, readArguments } from "./command.ts";
import { version } from "./version.ts";

const FILES_MAX = 100_000;

const commands: Readonly<Record<string, Command>> = {
  start: {
    about: "Start the server; Ctrl-C stops it",
    run: async () => (await import("./start.ts")).start(),
  },
  chat: {
    takes: "[character]",
    about: "Talk here; --new begins anew, -m TEXT says one thing, --json is for scripts",
    options: ["new", "message", "json"],
    wordsMax: 1,
    run: async ({ words, options }) =>
      (await import("./chat/chat.ts")).chat({
        character: words[0],
        isNew: options.new ?? false,
        message: options.message,
        isJson: options.json ?? false,
      }),
  },
  "sign-in-link": {
    about: "Make a new link that signs the owner in, once, within the hour",
    run: async () => (await import("./sign-in-link.ts")).signInLink(),
  },
  import: {
    takes: "<file>…",
    about: "Make a character of each card file, PNG or JSON",
    options: ["json"],
    wordsMax: FILES_MAX,
    async run({ words, options }) {
      if (words.length === 0) throw new StartError("Name the card files: `parley import *.png`.");
      return (await import("./cards/import.ts")).importCards({ files: words, isJson: options.json ?? false });
    },
  },
  export: {
    takes: "[character]…",
    about: "Write card files, of all your own or of those named; --format json|png, --to FOLDER",
    options: ["format", "to", "json"],
    wordsMax: FILES_MAX,
    run: async ({ words, options }) =>
      (await import("./cards/export.ts")).exportCards({
        names: words,
        format: options.format,
        to: options.to,
        isJson: options.json ?? false,
      }),
  },
  backup: {
    takes: "[folder]",
    about: "Copy everything into a new folder below ./backups or FOLDER; the server may run",
    options: ["json"],
    wordsMax: 1,
    run: async ({ words, options }) =>
      (await import("./backup/backup.ts")).backup({ into: words[0], isJson: options.json ?? false }),
  },
  restore: {
    takes: "<backup>",
    about: "Check a backup and put it into the data folder; --replace where that holds data",
    options: ["replace", "json"],
    wordsMax: 1,
    async run({ words, options }) {
      if (words[0] === undefined) {
        throw new StartError(
          "Name the backup: `parley restore backups/parley-…`, a folder that `parley backup` made.",
        );
      }
      const { restore } = await import("./backup/restore.ts");
      return restore({
        from: words[0],
        mayReplace: options.replace ?? false,
        isJson: options.json ?? false,
      });
    },
  },
  doctor: {
    takes: "[folder]",
    about: "Look at everything that a server needs, and at the newest backup in ./backups or FOLDER",
    options: ["json"],
    wordsMax: 1,
    run: async ({ words, options }) =>
      (await import("./doctor/doctor.ts")).doctor({ backups: words[0], isJson: options.json ?? false }),
  },
  "config check": {
    about: "Say whether the settings are right",
    run: async () => {
      const { config } = loadConfig();
      (await import("../compose/providers.ts")).checkProvider(config);
      return say("The settings are right.\n");
    },
  },
  "config print": {
    about: "Show every setting, its value and where it comes from",
    run: () => say(renderConfig(loadConfig())),
  },
  "config docs": {
    about: "Explain every setting",
    run: () => say(renderConfigDocs()),
  },
};

const hidden: Readonly<Record<string, Command>> = {
  help: { about: "", run: () => say(help()) },
  version: { about: "", run: () => say(`${version}\n`) },
};

/** Runs one command and returns the status to exit with. What a person can mend is one sentence each. */
export async function runCli(args: readonly string[]): Promise<number> {
  refuseDebugger();
  try {
    const { values, chosen, helpAbout } = readArguments(args, { ...commands, ...hidden });
    if (chosen) return await chosen.command.run(chosen.given);
    if (values.version) return say(`${version}\n`);
    const named = helpAbout ? commands[helpAbout] : undefined;
    return say(helpAbout && named ? helpOf(helpAbout, named) : help());
  } catch (error) {
    const known = isOutOfFiles(error) ? tooFewFiles() : error;
    if (!(known instanceof StartError)) throw error;
    process.stderr.write(`parley: ${known.message.replaceAll("\n", "\nparley: ")}\n`);
    return 1;
  }
}

/** At this signal Node would let every program on this machine look into the process, and change it. */
function refuseDebugger(): void {
  process.on("SIGUSR1", () => {});
}

const tooFewFiles = () =>
  new StartError("This process may not open as many files as it needs; raise its limit (ulimit -n).");

function help(): string {
  const rows = Object.entries(commands).map(([name, { takes = "", about }]) => [
    `${name} ${takes}`.trim(),
    about,
  ]);
  const width = Math.max(...rows.map(([usage = ""]) => usage.length)) + 3;
  return `Parley ${version}: a backend for character chat.

Usage: parley <command>

${rows.map(([usage = "", about]) => `  ${usage.padEnd(width)}${about}`).join("\n")}

  ${"--help".padEnd(width)}Show this, or with a command what it takes
  ${"--version".padEnd(width)}Show the version

Settings come from the environment and from .env in this folder.
`;
}

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}
