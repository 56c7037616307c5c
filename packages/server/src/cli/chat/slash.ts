import { nearest } from "../../kit/nearest.ts";

const HISTORY_MAX = 200;

/** What a line that begins with a slash can do. */
export interface SlashUses {
  regenerate(): Promise<unknown>;
  edit(text: string): Promise<unknown>;
  turnTo(step: -1 | 1): Promise<void>;
  showHistory(limit: number): Promise<void>;
  /** Takes up another conversation: a new one, or the latest with another character. */
  renew(): Promise<void>;
  switchTo(name: string): Promise<void>;
  listPartners(): Promise<void>;
  notice(text: string): void;
  leave(): void;
}

interface Slash {
  readonly takes?: string;
  readonly about: string;
  readonly aliases?: readonly string[];
  run(rest: string, uses: SlashUses): unknown;
}

const commands: Readonly<Record<string, Slash>> = {
  help: { about: "Show this", aliases: ["?"], run: (_rest, { notice }) => notice(help()) },
  regenerate: {
    about: "Another reply beside the last one",
    aliases: ["retry", "r"],
    run: (_rest, { regenerate }) => regenerate(),
  },
  previous: { about: "The reply before it, where there are several", run: (_rest, { turnTo }) => turnTo(-1) },
  next: { about: "The reply behind it", run: (_rest, { turnTo }) => turnTo(1) },
  edit: {
    takes: "TEXT",
    about: "Say TEXT in place of what you said last",
    run: (rest, { edit, notice }) => (rest === "" ? notice("Put the new text behind /edit.") : edit(rest)),
  },
  history: {
    takes: "[N]",
    about: `The last N messages, by default 50, at most ${HISTORY_MAX}`,
    run: (rest, { showHistory }) =>
      showHistory(Math.min(HISTORY_MAX, Math.max(1, Number.parseInt(rest, 10) || 50))),
  },
  new: { about: "A new conversation with the same character", run: (_rest, { renew }) => renew() },
  character: {
    takes: "NAME",
    about: "Talk with another character",
    aliases: ["switch"],
    run: (rest, { switchTo, listPartners }) => (rest === "" ? listPartners() : switchTo(rest)),
  },
  characters: { about: "Who there is", aliases: ["list"], run: (_rest, { listPartners }) => listPartners() },
  quit: { about: "Leave", aliases: ["exit", "q", "bye"], run: (_rest, { leave }) => leave() },
};

function help(): string {
  const rows = Object.entries(commands).map(([name, { takes = "", about }]) => {
    const usage = `/${name} ${takes}`;
    return `  ${usage.padEnd(18)}${about}`;
  });
  return [
    ...rows,
    "",
    "  A line that ends with \\ goes on in the next one; // begins a message with a slash.",
    "  Ctrl-C stops a running reply; a second one, or Ctrl-D, leaves. The arrows bring back what you said.",
    "",
  ].join("\n");
}

/** Does what a line with a slash says; false where it is no command but a message. */
export async function runSlash(line: string, uses: SlashUses): Promise<boolean> {
  const [, word = "", rest = ""] = /^\/([^\s/]\S*)\s*(.*)$/s.exec(line) ?? [];
  if (word === "") return false;
  const name = word.toLowerCase();
  const command = Object.entries(commands).find(
    ([known, { aliases = [] }]) => known === name || aliases.includes(name),
  )?.[1];
  if (command) {
    await command.run(rest.trim(), uses);
    return true;
  }
  const meant = nearest(name, Object.keys(commands));
  uses.notice(`There is no /${word}; ${meant ? `did you mean /${meant}?` : "/help shows what there is."}`);
  return true;
}
