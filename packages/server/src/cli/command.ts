import { parseArgs } from "node:util";
import { nearest } from "../kit/nearest.ts";
import { StartError } from "../kit/start-error.ts";

/** Every option that some command takes: one meaning each, whatever the command. */
const options = {
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
  json: { type: "boolean" },
  new: { type: "boolean", short: "n" },
  message: { type: "string", short: "m" },
  replace: { type: "boolean" },
  format: { type: "string", short: "f" },
  to: { type: "string", short: "t" },
} as const;

type OptionName = keyof typeof options;
type Values = {
  readonly [K in OptionName]?: (typeof options)[K]["type"] extends "boolean" ? boolean : string;
};

/** What was typed behind a command. */
export interface Given {
  readonly words: readonly string[];
  readonly options: Values;
}

export interface Command {
  /** What follows its name, as the help shows it. */
  readonly takes?: string;
  readonly about: string;
  readonly options?: readonly OptionName[];
  /** Words that may follow; default 0. */
  readonly wordsMax?: number;
  run(given: Given): number | Promise<number>;
}

const ABOUT_OPTIONS: Readonly<Record<OptionName, string>> = {
  help: "Show this",
  version: "Show the version",
  json: "Print JSON, for programs",
  new: "Begin a new conversation",
  message: "Say this, print the reply and leave",
  replace: "Put aside what is there",
  format: "Write this kind of file",
  to: "Write into this folder",
};

const VALUES: { readonly [K in OptionName]?: string } = { message: "text", format: "json|png", to: "folder" };

/** What a command is for and takes. */
export function helpOf(name: string, { takes = "", about, options: own = [] }: Command): string {
  const rows = [...own, "help" as const].map((option): [string, string] => {
    const short = "short" in options[option] ? `-${options[option].short}, ` : "    ";
    const value = VALUES[option] ? ` <${VALUES[option]}>` : "";
    return [`${short}--${option}${value}`, ABOUT_OPTIONS[option]];
  });
  const width = Math.max(...rows.map(([usage]) => usage.length)) + 3;
  const lines = rows.map(([usage, text]) => `  ${usage.padEnd(width)}${text}`);
  return `Usage: ${["parley", name, takes].join(" ").trim()}\n\n${about}.\n\n${lines.join("\n")}\n`;
}

/**
 * The command that the arguments name, with what was given to it; null where they name none, or only ask
 * for help, which may be about one. Throws a `StartError` that suggests the nearest for what there is not.
 */
export function readArguments(
  args: readonly string[],
  commands: Readonly<Record<string, Command>>,
): {
  values: Values;
  chosen: { name: string; command: Command; given: Given } | null;
  helpAbout?: string | null;
} {
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const used = tokens.flatMap((token) => (token.kind === "option" ? [token] : []));
  for (const { name, rawName } of used) {
    if (!Object.hasOwn(options, name)) throw noOption(rawName, name);
  }
  if (values.version || values.help || positionals.length === 0)
    return { values: values as Values, chosen: null, helpAbout: nameIn(positionals, commands) };
  const name = nameIn(positionals, commands);
  const command = name === null ? undefined : commands[name];
  if (name === null || !command) throw noCommand(positionals, commands);
  for (const { name: option, rawName, value } of used) {
    if (!(command.options ?? []).includes(option as OptionName)) {
      throw new StartError(
        `\`parley ${name}\` has no option ${rawName}; \`parley --help\` shows what it takes.`,
      );
    }
    const isText = options[option as OptionName].type === "string";
    if (isText && value === undefined) throw new StartError(`${rawName} needs a value behind it.`);
    if (!isText && value !== undefined) throw new StartError(`${rawName} takes no value.`);
  }
  const words = positionals.slice(name.split(" ").length);
  if (words.length > (command.wordsMax ?? 0)) {
    throw new StartError(
      `"${words[command.wordsMax ?? 0]}" is too much: it is \`parley ${[name, command.takes ?? ""].join(" ").trim()}\`; put a name of several words in quotes.`,
    );
  }
  return { values: values as Values, chosen: { name, command, given: { words, options: values as Values } } };
}

/** The longest name that the words begin with. */
function nameIn(words: readonly string[], commands: Readonly<Record<string, Command>>): string | null {
  for (const length of [2, 1]) {
    const name = words.slice(0, length).join(" ");
    if (words.length >= length && Object.hasOwn(commands, name)) return name;
  }
  return null;
}

function noCommand(words: readonly string[], commands: Readonly<Record<string, Command>>): StartError {
  const wanted = words.join(" ");
  const names = Object.keys(commands);
  const parts = names.filter((name) => name.startsWith(`${wanted} `)).map((name) => name.split(" ")[1]);
  if (parts.length > 1) {
    const all = `${parts.slice(0, -1).join(", ")} or ${parts.at(-1)}`;
    return new StartError(`\`parley ${wanted}\` needs ${all} behind it.`);
  }
  const meant =
    nearest(wanted, names) ??
    nearest(words[0] as string, names) ??
    (words[0] === "config" ? "config check" : null);
  const advice = meant ? `did you mean \`parley ${meant}\`?` : "`parley --help` lists what there is.";
  return new StartError(`There is no command "${wanted}"; ${advice}`);
}

function noOption(rawName: string, name: string): StartError {
  const meant = nearest(name, Object.keys(options));
  const advice = meant
    ? `did you mean --${meant}?`
    : "settings come from the environment and .env, see `parley config docs`.";
  return new StartError(`There is no option ${rawName}; ${advice}`);
}
