import { type Client, type Conversation, Problem } from "@parley-chat/sdk";
import { isColorWanted, loadConfig } from "../../config.ts";
import { newId } from "../../kit/ids.ts";
import { StartError } from "../../kit/start-error.ts";
import { type Connection, connect } from "./connection.ts";
import { createPipeInput, createSingleInput, createTerminalInput, type Input } from "./input.ts";
import { distinct, latestConversation, listed, listPartners, partnerIn, partnersNamed } from "./partners.ts";
import { forOneLine } from "./plain-text.ts";
import {
  createJsonScreen,
  createPersonScreen,
  createPlainScreen,
  type Partner,
  type Screen,
} from "./screen.ts";
import { runSlash, type SlashUses } from "./slash.ts";
import { openTalk, persistently, type Talk } from "./talk.ts";

export interface ChatOptions {
  /** The beginning of a name. */
  character: string | undefined;
  isNew: boolean;
  /** One thing to say, after which the chat ends; `-` is all of standard input. */
  message: string | undefined;
  isJson: boolean;
}

const INTERRUPTED = 130;

/** Holds a conversation in the terminal, or over pipes, until the person leaves or the input ends. */
export async function chat(options: ChatOptions): Promise<number> {
  const { config } = loadConfig();
  const message = options.message === "-" ? await readAll() : options.message;
  const isPerson = process.stdin.isTTY && process.stdout.isTTY && !options.isJson && message === undefined;
  const leaving = new AbortController();
  ignoreClosedPipe(leaving);
  const outputs = {
    out: (text: string) => void process.stdout.write(text),
    err: (text: string) => void process.stderr.write(text),
  };
  const screen = isPerson
    ? createPersonScreen(outputs, isColorWanted())
    : options.isJson
      ? createJsonScreen(outputs)
      : createPlainScreen(outputs);
  const connection = await connect(config);
  try {
    if (connection.isOwnServer) {
      screen.notice(
        `No server was running, so one was started for this chat at ${connection.url}; it ends with it.`,
      );
    }
    return await hold({ connection, options, screen, isPerson, message, leaving });
  } catch (error) {
    throw error instanceof Problem ? new StartError(error.detail) : error;
  } finally {
    await connection.close();
  }
}

interface Held {
  connection: Connection;
  options: ChatOptions;
  screen: Screen;
  isPerson: boolean;
  message: string | undefined;
  leaving: AbortController;
}

async function hold({ connection, options, screen, isPerson, message, leaving }: Held): Promise<number> {
  const { client } = connection;
  const { signal } = leaving;
  const take = (conversation: Conversation, partner: Partner) =>
    openTalk({ client, screen, conversation, partner, signal });
  const input = isPerson
    ? createTerminalInput()
    : message === undefined
      ? createPipeInput()
      : createSingleInput(message);
  let isInterrupted = false;
  let talk: Talk | null = null;
  const leave = () => {
    leaving.abort();
    input.close();
  };
  const ignoreStops = listenForStops({
    input,
    talk: () => talk,
    screen,
    leave,
    onLeft: () => {
      isInterrupted = !isPerson;
    },
  });
  try {
    const start = await choose(client, { ...options, ask: isPerson ? askWith(input, screen) : null });
    if (!start) return 0;
    talk = await take(start.conversation ?? (await begin(client, start.partner, signal)), start.partner);
    input.remember(talk.said);
    const isAllWell = await converse({
      talk: () => talk as Talk,
      async switchTo(partner, isNew) {
        const latest = isNew ? null : await latestConversation(client, partner.id);
        talk = await take(latest ?? (await begin(client, partner, signal)), partner);
      },
      partners: () => listPartners(client),
      input,
      screen,
      hasCommands: message === undefined,
      leave,
      signal,
    });
    return isInterrupted ? INTERRUPTED : isPerson || isAllWell ? 0 : 1;
  } finally {
    input.close();
    ignoreStops();
  }
}

/** Does what is said, line by line, until there is no more; whether all of it went well. */
async function converse(uses: {
  talk(): Talk;
  switchTo(partner: Partner, isNew: boolean): Promise<void>;
  partners(): Promise<Partner[]>;
  input: Input;
  screen: Screen;
  /** Whether a line can be a command. */
  hasCommands: boolean;
  leave(): void;
  signal: AbortSignal;
}): Promise<boolean> {
  const { talk, screen, signal } = uses;
  let isAllWell = true;
  /** Does one thing; what is refused is said, and the conversation goes on. */
  const attempt = async (action: () => Promise<unknown>) => {
    try {
      if ((await action()) === false) isAllWell = false;
    } catch (error) {
      if (signal.aborted) return;
      isAllWell = false;
      screen.complain(complaintOf(error));
    }
  };
  const slash: SlashUses = {
    regenerate: () => attempt(() => talk().regenerate()),
    edit: (text) => attempt(() => talk().edit(text)),
    turnTo: (step) => talk().turnTo(step),
    showHistory: (limit) => talk().showHistory(limit),
    renew: () => uses.switchTo(talk().partner, true),
    async switchTo(name) {
      const [partner] = distinct(partnersNamed(await uses.partners(), name));
      if (partner) await uses.switchTo(partner, false);
    },
    listPartners: async () => screen.notice(`There are ${listed(distinct(await uses.partners()))}.`),
    notice: screen.notice,
    leave: uses.leave,
  };

  await attempt(() => talk().catchUp());
  while (!signal.aborted) {
    const line = await nextMessage(uses.input, screen);
    if (line === null) break;
    if (line.trim() === "") continue;
    const isCommand = uses.hasCommands && line.startsWith("/");
    await attempt(async () => {
      if (isCommand && (await runSlash(line, slash))) return true;
      return talk().say(isCommand ? line.slice(1) : line);
    });
  }
  return isAllWell;
}

/** What is said next; a line that ends with a backslash goes on. Null at the end. */
async function nextMessage(input: Input, screen: Screen): Promise<string | null> {
  const lines: string[] = [];
  for (;;) {
    const line = await input.next(lines.length === 0 ? screen.prompt : "… ");
    if (line === null) return lines.length > 0 ? lines.join("\n") : null;
    if (!line.endsWith("\\")) return [...lines, line].join("\n");
    lines.push(line.slice(0, -1));
  }
}

/** Ctrl-C stops a reply, or takes back what is typed; the next one leaves, as do Ctrl-D and signals. Returns what ends that. */
function listenForStops(uses: {
  input: Input;
  talk(): Talk | null;
  screen: Screen;
  leave(): void;
  onLeft(): void;
}): () => void {
  const { input, screen } = uses;
  let isWarned = false;
  input.onInterrupt((typed) => {
    const talk = uses.talk();
    if (talk?.isBusy && !talk.isStopping) {
      talk.stop().catch((error) => screen.complain(complaintOf(error)));
      return;
    }
    if (typed.text !== "" && !talk?.isBusy) {
      typed.clear();
      isWarned = false;
      return;
    }
    if (isWarned || talk?.isBusy || screen.prompt === "") {
      uses.onLeft();
      uses.leave();
      return;
    }
    isWarned = true;
    screen.notice("\nCtrl-C again, or Ctrl-D, leaves.");
    typed.show();
  });
  input.onEnd(uses.leave);
  const signals = ["SIGTERM", "SIGHUP", "disconnect"];
  for (const signal of signals) process.on(signal, uses.leave);
  return () => {
    for (const signal of signals) process.off(signal, uses.leave);
  };
}

interface Start {
  conversation: Conversation | null;
  partner: Partner;
}

/** Who to talk with, and in which conversation; null where the person leaves over the question. */
async function choose(
  client: Client,
  options: ChatOptions & { ask: ((partners: readonly Partner[]) => Promise<Partner | null>) | null },
): Promise<Start | null> {
  const { character, isNew, ask } = options;
  if (character === undefined && !(isNew && ask)) {
    const latest = await latestConversation(client);
    if (latest) return { conversation: isNew ? null : latest, partner: await partnerIn(client, latest) };
  }
  const all = await listPartners(client);
  if (all.length === 0)
    throw new StartError("There is no character yet; make one at /app/, or by `parley import`.");
  const meant = distinct(character === undefined ? all : partnersNamed(all, character));
  if (meant.length > 1 && !ask && character !== undefined) {
    throw new StartError(`"${forOneLine(character)}" can be ${listed(meant)}; say more of the name.`);
  }
  const partner = meant.length === 1 || !ask ? meant[0] : await ask(meant);
  if (!partner) return null;
  return { partner, conversation: isNew ? null : await latestConversation(client, partner.id) };
}

async function begin(client: Client, partner: Partner, signal: AbortSignal): Promise<Conversation> {
  const idempotencyKey = newId();
  return persistently(
    () => client.conversations.create({ character_ids: [partner.id] }, { idempotencyKey }),
    signal,
  );
}

const ASKED_MAX = 20;

/** Lets the person pick from a list, by number or by the beginning of a name. */
const askWith =
  (input: Input, screen: Screen) =>
  async (partners: readonly Partner[]): Promise<Partner | null> => {
    const shown = partners.slice(0, ASKED_MAX);
    screen.notice("");
    for (const [n, { name }] of shown.entries()) screen.notice(`  ${n + 1}  ${forOneLine(name)}`);
    if (partners.length > shown.length)
      screen.notice(`     and ${partners.length - shown.length} more, by name`);
    for (;;) {
      const answer = await input.next("Who do you want to talk with? ");
      if (answer === null) return null;
      const picked = shown[Number(answer) - 1];
      if (picked) return picked;
      if (answer.trim() === "") continue;
      try {
        const [found, ...others] = distinct(partnersNamed(partners, answer));
        if (found && others.length === 0) return found;
        screen.notice(`That can be ${listed([found as Partner, ...others])}.`);
      } catch (error) {
        if (!(error instanceof StartError)) throw error;
        screen.notice(error.message);
      }
    }
  };

function complaintOf(error: unknown): { code: string; detail: string } {
  if (error instanceof Problem) return { code: error.code, detail: error.detail };
  if (error instanceof StartError) return { code: "refused", detail: error.message };
  if (error instanceof TypeError) {
    return { code: "unreachable", detail: "The server cannot be reached; is `parley start` still running?" };
  }
  throw error;
}

const STDIN_BYTES_MAX = 1024 * 1024;

async function readAll(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > STDIN_BYTES_MAX)
      throw new StartError("What came on standard input is longer than a message can be.");
  }
  return Buffer.concat(chunks).toString("utf8").trimEnd();
}

/** Whoever read our output may leave (`| head`): then there is nobody to talk to. */
function ignoreClosedPipe(leaving: AbortController): void {
  process.stdout.on("error", () => leaving.abort());
  process.stderr.on("error", () => {});
}
