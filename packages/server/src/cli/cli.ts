import { parseArgs } from "node:util";
import { renderConfig, renderConfigDocs } from "../config/render.ts";
import { loadConfig } from "../config.ts";
import { nearest } from "../kit/nearest.ts";
import { StartError } from "../kit/start-error.ts";
import { version } from "./version.ts";

const HELP = `Parley ${version}: a backend for character chat.

Usage: parley <command>

  start            Start the server; Ctrl-C stops it
  sign-in-link     Make a new link that signs the owner in, once, within the hour
  config check     Say whether the settings are right
  config print     Show every setting, its value and where it comes from
  config docs      Explain every setting

  --help           Show this
  --version        Show the version

Settings come from the environment and from .env in this folder.
`;

type Run = () => number | Promise<number>;

const commands: Record<string, Run> = {
  start: async () => (await import("./start.ts")).start(),
  "sign-in-link": async () => (await import("./sign-in-link.ts")).signInLink(),
  "config check": async () => {
    const { config } = loadConfig();
    (await import("../compose.ts")).checkProvider(config);
    return say("The settings are right.\n");
  },
  "config print": () => say(renderConfig(loadConfig())),
  "config docs": () => say(renderConfigDocs()),
  help: () => say(HELP),
  version: () => say(`${version}\n`),
};

/** Runs one command and returns the status to exit with. What a person can mend is one sentence each. */
export async function runCli(args: readonly string[]): Promise<number> {
  try {
    return await chooseCommand(args)();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    process.stderr.write(`parley: ${error.message.replaceAll("\n", "\nparley: ")}\n`);
    return 1;
  }
}

function chooseCommand(args: readonly string[]): Run {
  const { values, positionals } = readArguments(args);
  if (values.version) return commands.version as Run;
  if (values.help || positionals.length === 0) return commands.help as Run;
  const wanted = positionals.join(" ");
  const command = Object.hasOwn(commands, wanted) ? commands[wanted] : undefined;
  if (command) return command;
  const meant =
    nearest(wanted, Object.keys(commands)) ?? (positionals[0] === "config" ? "config check" : null);
  const advice = meant ? `did you mean \`parley ${meant}\`?` : "`parley --help` lists what there is.";
  throw new StartError(`There is no command "${wanted}"; ${advice}`);
}

function readArguments(args: readonly string[]) {
  const options = {
    help: { type: "boolean", short: "h" },
    version: { type: "boolean", short: "v" },
  } as const;
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind !== "option" || Object.hasOwn(options, token.name)) continue;
    const meant = nearest(token.name, Object.keys(options));
    const advice = meant
      ? `did you mean --${meant}?`
      : "settings come from the environment and .env, see `parley config docs`.";
    throw new StartError(`There is no option ${token.rawName}; ${advice}`);
  }
  return { values, positionals };
}

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}
