import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { checkHistory } from "./history.ts";
import { journey } from "./journey.ts";
import { answerAtRandom, killAtRandom, newRecorder, runClient, settle, type World } from "./load.ts";
import { newSeed, seeded } from "./random.ts";
import { newConversation } from "./scene.ts";

const KILLS = 20;
const UP_MS_MAX = 700;
const ATTEMPTS_MAX = 3;

journey(
  "over twenty kills -9 at random moments under load nothing acknowledged is lost, doubled, reordered, torn or wrongly completed",
  async ({ rig }) => {
    const seed = newSeed("random kills");
    const random = (n: number) => seeded(seed + n);
    const recorder = newRecorder(ATTEMPTS_MAX);
    const upstream = await rig.upstream(answerAtRandom(recorder, random(0)));
    const env = {
      ...upstream.env,
      MAX_MESSAGES_PER_MINUTE: "0",
      MAX_MESSAGES_PER_HOUR: "0",
      MAX_MESSAGES_PER_DAY: "0",
    };
    const world: World = { server: await rig.start({ env }) };
    const { dataDir } = world.server;
    const conversationIds: string[] = [];
    for (let n = 0; n < 3; n++) conversationIds.push((await newConversation(world.server.owner)).id);

    let isOver = false;
    const clients = ["a", "b"].map((name, n) =>
      runClient(world, recorder, { name, conversationIds, random: random(1 + n), isOver: () => isOver }),
    );
    await killAtRandom(world, () => rig.start({ dataDir, env }), {
      kills: KILLS,
      upMsMax: UP_MS_MAX,
      random: random(9),
    });
    isOver = true;
    await Promise.all(clients);
    await settle(world, recorder, conversationIds);

    const { history } = recorder;
    const violations = checkHistory(history);
    const record = join(tmpdir(), `parley-history-${seed}.json`);
    if (violations.length > 0) writeFileSync(record, JSON.stringify(history));
    expect(violations, `the whole record is in ${record}`).toEqual([]);
    const turns = Object.values(history.final).flatMap((one) => one.turns);
    // The run has to have met what it is about.
    expect(turns.length).toBeGreaterThan(20);
    expect(turns.filter(({ status }) => status === "completed").length).toBeGreaterThan(10);
    expect(history.sends.filter(({ ok }) => ok === null).length).toBeGreaterThan(0);
  },
  300_000,
);
