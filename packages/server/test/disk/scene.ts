import { join } from "node:path";
import type { Client } from "@parley-chat/sdk";
import { base64, chunk, header, pngOf, rows, text } from "../cards/make-png.ts";
import { asked, type Rig } from "../faults/journey.ts";
import { newConversation, outcome } from "../faults/scene.ts";
import { openSocket } from "../realtime/socket.ts";
import { newDataDir, runParley, type Server } from "../rig/server.ts";
import { newRecording } from "../rig/strace.ts";
import { answering } from "../rig/upstream.ts";
import { type Call, readCalls } from "./calls.ts";

/** What a client was told is kept. */
export interface Kept {
  messages: Map<string, { content: string; conversationId: string }>;
  conversations: Set<string>;
  characters: Set<string>;
}

export interface Recorded {
  calls: Call[];
  kept: Kept;
  /** What lies around the data folder, which is not there before the first start. */
  root: string;
  dataDir: string;
  env: Record<string, string>;
}

/** The file of a card with a picture. */
export const cardFile = (name: string): Uint8Array<ArrayBuffer> => {
  const card = base64({ name, description: "Keeps bees." });
  return new Uint8Array(pngOf(header(120, 160), text("tEXt", "chara", card), rows(120, 160), chunk("IEND")));
};

const CLIENTS = 8;
const ROUNDS = 6;

/** Has node:sqlite run other settings than the product asks for: nothing in the product can. */
export const withPragmas = (changes: Record<string, string>): string => {
  const source = `import { DatabaseSync } from "node:sqlite";
    const exec = DatabaseSync.prototype.exec;
    const changes = ${JSON.stringify(changes)};
    DatabaseSync.prototype.exec = function (sql) {
      for (const [from, to] of Object.entries(changes)) sql = sql.replace(from, to);
      return exec.call(this, sql);
    };`;
  return `--import=data:text/javascript;base64,${Buffer.from(source).toString("base64")}`;
};
/** A log that is folded into its file every few commits. */
export const SMALL_LOG = { "wal_autocheckpoint = 4000": "wal_autocheckpoint = 30" };

/**
 * Runs a server under a recorder, on a folder that it has to make: many clients at once, then a kill; then
 * a second one that is stopped in good order.
 */
export async function recordLoad(
  rig: Rig,
  options: { pragmas: Record<string, string>; rounds?: number; hasBackup?: boolean },
): Promise<Recorded> {
  const { rounds = ROUNDS } = options;
  const upstream = await rig.upstream((call) => answering("To ", asked(call))(call));
  const root = newDataDir();
  const dataDir = join(root, "far", "away");
  const env = { ...upstream.env, PARLEY_DATA_DIR: dataDir, MAX_MESSAGES_PER_MINUTE: "0" };
  const kept: Kept = { messages: new Map(), conversations: new Set(), characters: new Set() };
  const traced = { ...env, NODE_OPTIONS: withPragmas(options.pragmas) };
  const recording = newRecording();
  const server = await rig.start({ dataDir: root, env: traced, under: recording.under });
  await Promise.all([
    ...Array.from({ length: CLIENTS }, (_, n) => talk(server, n, rounds, kept)),
    takePicture(server.owner, kept),
  ]);
  if (options.hasBackup) {
    const { code, stderr } = await runParley(["backup", newDataDir()], { dataDir: root, env });
    if (code !== 0) throw new Error(stderr);
  }
  await server.kill();
  const calls = readCalls(await recording.text());

  // Another process goes on with what that one left in the system's memory, and stops in good order.
  const next = newRecording();
  const restarted = await rig.start({ dataDir: root, env: traced, under: next.under });
  await talk(restarted, CLIENTS, 1, kept);
  await restarted.kill("SIGTERM");
  const behind = (calls.at(-1)?.from ?? 0) + 1;
  for (const call of readCalls(await next.text())) {
    calls.push({ ...call, from: behind + call.from, to: behind + call.to });
  }
  return { calls, kept, root, dataDir, env };
}

async function takePicture(owner: Client, kept: Kept): Promise<void> {
  const { character } = await owner.characters.import({ file: cardFile("Mira") });
  kept.characters.add(character.id);
}

/** One client: over HTTP and a socket, with replies and without. */
async function talk(server: Server, name: number, rounds: number, kept: Kept): Promise<void> {
  const conversation = await newConversation(server.owner);
  const conversationId = conversation.id;
  kept.conversations.add(conversationId);
  for (const id of conversation.character_ids) kept.characters.add(id);
  const socket = await openSocket(server);
  const keep = (message: { id: string; content: string }, content: string) => {
    if (message.content !== content) throw new Error(`another text was stored: ${message.content}`);
    kept.messages.set(message.id, { content, conversationId });
  };
  for (let n = 0; n < rounds; n++) {
    const content = (what: string) => `${what} ${n} of client ${name}. ${"Word ".repeat(20)}`;
    const note = { conversation_id: conversationId, content: content("note"), reply: false };
    const frame = {
      type: "message.send",
      client_message_id: `c${name}-${n}`,
      ...note,
      content: content("frame"),
    };
    const [answer, ack] = await Promise.all([server.owner.messages.send(note), socket.ask(frame)]);
    keep(answer.message, note.content);
    keep((ack as unknown as { message: { id: string; content: string } }).message, frame.content);
    const asking = content("question");
    const { message, turn } = await server.owner.messages.send({
      conversation_id: conversationId,
      content: asking,
    });
    keep(message, asking);
    if (!turn) throw new Error("a send without a turn");
    // The last is in the middle of things when the power goes.
    if (n + 1 < rounds) await outcome(server.owner, turn.id);
  }
  socket.close();
}
