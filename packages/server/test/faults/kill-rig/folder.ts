import { rmSync } from "node:fs";
import { type Entry, newDataDir, type Server, startServer } from "../../rig/server.ts";
import { startUpstream } from "../../rig/upstream.ts";
import { checkHistory } from "../check-history.ts";
import { commonOf, type Mix, runClient } from "../client.ts";
import type { History, Violation } from "../history.ts";
import { answerAtRandom, newPace, newRecorder, settle, type World } from "../load.ts";
import { seeded } from "../random.ts";
import { newConversation } from "../scene.ts";
import { within } from "../until.ts";
import { agePictures, picturesOf } from "./cards.ts";
import { createKiller, DRAIN_MS, type Met } from "./killer.ts";
import type { Kill } from "./schedule.ts";
import { watch } from "./watcher.ts";

const ATTEMPTS_MAX = 3;
const CONVERSATIONS = 3;
/** Far beyond what a slow and busy machine takes; what has not ended by then never will. */
const HEAL_MS_MAX = 100_000;
/** Enough for most kills to come where they are meant to. */
const MEET_MS = 10_000;
/** Two clients, each with two things in hand at once. */
const HANDS = ["a", "aa", "b", "bb"];

const FULL: Mix = {
  note: 0.05,
  edit: 0.1,
  repeat: 0.15,
  stop: 0.1,
  awaitEnd: 0.4,
  read: 0.25,
  regenerate: 0.15,
  removeMessage: 0.08,
  removeConversation: 0.015,
  cut: 0.15,
  pause: 0.1,
};

export interface FolderUses {
  entry: Entry;
  /** Everything of chance in it follows from this. */
  seed: number;
  /** How long turns may take to end after the last kill. */
  healMs?: number;
  /** How long a server may take to come to the point of its kill. */
  meetMs?: number;
  mix?: Partial<Mix>;
}

/** What a folder has seen. */
export interface FolderRecord {
  history: History;
  violations: Violation[];
  resets: number;
}

/** One data folder under load, over many kills: clients go on for as long as it is open. */
export interface Folder {
  /** Starts the server and kills it. */
  kill(kill: Kill): Promise<Met>;
  /** Lets everything come to its end and checks the whole history. */
  close(): Promise<FolderRecord>;
  /** Ends it as it is: it cannot go on, be it that no server starts or that a client has no answer. */
  abandon(why: unknown): Promise<FolderRecord>;
}

/** Opens a data folder: a model, a server, clients of both kinds. */
export async function openFolder({
  entry,
  seed,
  healMs = HEAL_MS_MAX,
  meetMs = MEET_MS,
  mix,
}: FolderUses): Promise<Folder> {
  const random = (n: number) => seeded(seed + n);
  const recorder = newRecorder(ATTEMPTS_MAX);
  const { history } = recorder;
  const pace = newPace();
  const upstream = await startUpstream(answerAtRandom(recorder, random(0), pace));
  const dataDir = newDataDir();
  const env = {
    ...upstream.env,
    MAX_MESSAGES_PER_MINUTE: "0",
    MAX_MESSAGES_PER_HOUR: "0",
    MAX_MESSAGES_PER_DAY: "0",
    PARLEY_DRAIN_TIMEOUT_MS: String(DRAIN_MS),
  };
  const start = (failpoints: string[] = [], more: Record<string, string> = {}): Promise<Server> =>
    startServer({ dataDir, entry, failpoints, env: { ...env, ...more } });

  const world: World = { server: await start() };
  const ids: string[] = [];
  let characterId = "";
  for (let n = 0; n < CONVERSATIONS; n++) {
    const conversation = await newConversation(world.server.owner);
    characterId = conversation.character_ids[0] as string;
    ids.push(conversation.id);
  }
  // Every kill starts a server of its own.
  await world.server.kill();
  const common = commonOf(ids, { characterId, mix: { ...FULL, ...mix } });
  let isOver = false;
  const work: Promise<void>[] = [];
  const begin = (task: Promise<void>) => {
    // One that fails is told of at the end.
    task.catch(() => {});
    work.push(task);
  };
  const uses = { common, isOver: () => isOver };
  for (const [n, name] of HANDS.entries())
    begin(runClient(world, recorder, { ...uses, name, random: random(1 + n) }));
  begin(watch(world, recorder, uses));
  const killer = createKiller({
    world,
    recorder,
    common,
    pace,
    random: random(9),
    meetMs,
    start,
    begin,
    program: { dataDir, env, entry },
  });

  const recordOf = (violations: Violation[]): FolderRecord => {
    const resets = recorder.screens.reduce((sum, { screen }) => sum + screen.resets, 0);
    return { history, violations, resets };
  };
  const end = async () => {
    isOver = true;
    world.isGone = true;
    await world.server.kill();
    await Promise.allSettled(work);
    upstream.close();
    rmSync(dataDir, { recursive: true, force: true });
  };

  return {
    kill: killer.kill,
    async close() {
      isOver = true;
      world.server = await start();
      await within("the end of all clients", Promise.all(work), HEAL_MS_MAX);
      await settle(world, recorder, common.allIds, { healMs });
      if (history.imports.length > 0) {
        await world.server.kill();
        agePictures(dataDir);
        world.server = await start();
        history.pictures = await picturesOf(world.server, healMs);
      }
      await end();
      return recordOf(checkHistory(history));
    },
    async abandon(why) {
      await end();
      return recordOf([{ promise: "R17", what: String(why) }]);
    },
  };
}
