import type { Conversation } from "@parley-chat/sdk";
import { expect } from "vitest";
import { checkHistory } from "../faults/check-history.ts";
import { commonOf, runClient } from "../faults/client.ts";
import type { History } from "../faults/history.ts";
import { journey } from "../faults/journey.ts";
import { answerAtRandom, newRecorder, settle, type World } from "../faults/load.ts";
import { between, newSeed, seeded } from "../faults/random.ts";
import { allMessages, newConversation } from "../faults/scene.ts";
import { until } from "../faults/until.ts";
import { newDataDir } from "../rig/server.ts";
import { doctorOf, restoreInto, takeBackup } from "./rig.ts";

const BACKUPS = 3;
/** One message is answered by the server that goes on, by each one on a backup, and again when regenerated. */
const ATTEMPTS_MAX = Number.POSITIVE_INFINITY;
const unlimited = {
  MAX_MESSAGES_PER_MINUTE: "0",
  MAX_MESSAGES_PER_HOUR: "0",
  MAX_MESSAGES_PER_DAY: "0",
};

/** Makes characters and conversations, regenerates and deletes, until it is over. */
async function churn(world: World, random: () => number, isOver: () => boolean): Promise<void> {
  const mine: Conversation[] = [];
  while (!isOver()) {
    const { owner } = world.server;
    if (mine.length < 3 || random() < 0.2) mine.push(await newConversation(owner));
    const conversation = mine[between(random, 0, mine.length - 1)] as Conversation;
    const conversation_id = conversation.id;
    // What is refused (busy, in flight) is part of the load.
    const sent = await owner.messages
      .send({ conversation_id, content: `churn #c${between(random, 0, 1e9)}#` })
      .catch(() => null);
    const { items } = await owner.messages.list({ conversation_id });
    const any = items[between(random, 0, items.length - 1)];
    if (any && random() < 0.4) await owner.messages.regenerate({ message_id: any.id }).catch(() => null);
    if (any && random() < 0.2) await owner.messages.remove({ message_id: any.id }).catch(() => null);
    if (sent?.turn && random() < 0.2) await owner.turns.stop({ turn_id: sent.turn.id });
    if (random() < 0.05) {
      mine.splice(mine.indexOf(conversation), 1);
      await owner.conversations.remove({ conversation_id });
    }
  }
}

/**
 * What a run had shown by a moment: later answers may or may not be in a backup of it. That cuts what was
 * under way, as a kill would do now.
 */
function historyUntil(history: History, moment: number): History {
  return structuredClone({
    ...history,
    kills: [performance.now()],
    sends: history.sends.map((send) => (send.settledAt < moment ? send : { ...send, ok: null })),
    stops: history.stops.map((stop) => (stop.settledAt < moment ? stop : { ...stop, ok: null })),
    reads: history.reads.filter(({ settledAt }) => settledAt < moment),
    streams: [],
    final: {},
  });
}

journey(
  "a backup taken under load restores to all that was acknowledged before it, in order, once, with every turn ended",
  async ({ rig }) => {
    const seed = newSeed("backup under load");
    const random = (n: number) => seeded(seed + n);
    const recorder = newRecorder(ATTEMPTS_MAX);
    const upstream = await rig.upstream(answerAtRandom(recorder, random(0)));
    const env = { ...upstream.env, ...unlimited };
    const world: World = { server: await rig.start({ env }) };
    const conversationIds: string[] = [];
    for (let n = 0; n < 3; n++) conversationIds.push((await newConversation(world.server.owner)).id);

    let isOver = false;
    const common = commonOf(conversationIds);
    const load = [
      ...["a", "b"].map((name, n) =>
        runClient(world, recorder, { name, common, random: random(1 + n), isOver: () => isOver }),
      ),
      churn(world, random(5), () => isOver),
    ];
    const taken: { path: string; history: History; ended: Map<string, string> }[] = [];
    for (let n = 1; n <= BACKUPS; n++) {
      const target = n * 15;
      await until(
        `${target} answered sends`,
        () => recorder.history.sends.filter(({ ok }) => ok).length >= target,
      );
      const beganAt = performance.now();
      const ended = new Map(
        recorder.screens.flatMap(({ turnId, screen: { end, text } }) =>
          end ? [[turnId, text] as const] : [],
        ),
      );
      const { path, complaints } = await takeBackup(world.server.dataDir);
      expect(complaints).toEqual([]);
      taken.push({ path, ended, history: historyUntil(recorder.history, beganAt) });
    }
    isOver = true;
    await Promise.all(load);
    await world.server.kill();

    for (const { path, history, ended } of taken) {
      const dataDir = newDataDir();
      expect(await restoreInto(dataDir, path)).toMatchObject({ code: 0 });
      const restored: World = { server: await rig.start({ dataDir, env }) };
      const { owner } = restored.server;
      await settle(restored, { history, screens: [] }, conversationIds);
      // The model goes on being asked while the clients of the first server come to their end.
      history.wall = recorder.history.wall;
      expect(checkHistory(history)).toEqual([]);
      const replies = Object.values(history.final).flatMap((one) => one?.messages ?? []);
      for (const [turnId, text] of ended) {
        const reply = replies.find(({ turn_id, role }) => role === "assistant" && turn_id === turnId);
        expect(reply?.content, `the reply of ${turnId}, whose stream had ended`).toBe(text);
      }
      const { items } = await owner.conversations.list({ limit: 200 });
      for (const { id, character_ids } of items) {
        await owner.characters.get({ character_id: character_ids[0] as string });
        const messages = await until(`an end of all turns of ${id}`, async () => {
          const all = await allMessages(owner, id);
          return all.every(({ status }) => status !== "pending") && all;
        });
        expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, index) => index + 1));
      }
      expect(items.length).toBeGreaterThan(3);
      await restored.server.kill("SIGTERM");
      const { code, findings } = await doctorOf(dataDir, env);
      expect([code, findings.filter(({ status }) => status === "fail")]).toEqual([0, []]);
    }
  },
);
