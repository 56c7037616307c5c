import { readdir, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { base64, chunk, header, pngOf, rows, text } from "../cards/make-png.ts";
import { journey } from "./journey.ts";
import { until } from "./until.ts";

const LONG_AGO_S = 1_700_000_000;
const card = { name: "Mira", description: "Keeps bees." };
const file = pngOf(header(900, 1_400), text("tEXt", "chara", base64(card)), rows(900, 1_400), chunk("IEND"));

/** Paths of all blobs in a data folder. */
async function blobsOf(dataDir: string): Promise<string[]> {
  const paths = await readdir(join(dataDir, "blobs"), { recursive: true });
  return paths.filter((path) => /[0-9a-f]{64}$/.test(path)).map((path) => join(dataDir, "blobs", path));
}

/** As if they had been stored long ago: what came just now is left alone by the sweep. */
const age = (paths: readonly string[]) =>
  Promise.all(paths.map((path) => utimes(path, LONG_AGO_S, LONG_AGO_S)));

journey(
  "kill -9 between the picture and its row (k19) leaves nothing once swept, and a repeat imports once",
  async ({ rig }) => {
    const server = await rig.start({ failpoints: ["k19:kill"] });
    const take = (on: typeof server) => on.owner.characters.import({ file }, { idempotencyKey: "once" });
    await expect(take(server)).rejects.toThrow();
    expect(await server.exited).toBe("SIGKILL");
    const { dataDir } = server;
    const orphans = await blobsOf(dataDir);
    expect(orphans).toHaveLength(2);
    await age(orphans);

    const swept = await rig.start({ dataDir });
    await until("the orphans to be swept", async () => (await blobsOf(dataDir)).length === 0);
    const { character } = await take(swept);
    expect((await take(swept)).character).toEqual(character);
    expect((await swept.owner.characters.list({ q: "mira" })).items).toHaveLength(1);
    await swept.kill();

    await age(await blobsOf(dataDir));
    const again = await rig.start({ dataDir });
    const picture = await again.owner.characters.avatar({ character_id: character.id });
    expect(picture.size).toBeGreaterThan(100);
    expect(await blobsOf(dataDir)).toHaveLength(2);
  },
);

journey(
  "what an erased account had as pictures goes with the next sweep, what another still shows stays",
  async ({ rig }) => {
    const server = await rig.start();
    const { dataDir } = server;
    const { session } = await server.client().users.create({ email: "a@example.org", password: "12345678" });
    const ann = server.client(session.access_token);
    await ann.characters.import({ file });
    const mine = await blobsOf(dataDir);
    const other = pngOf(header(300, 300), text("tEXt", "chara", base64(card)), rows(300, 300), chunk("IEND"));
    await ann.characters.import({ file: other });
    const { character } = await server.owner.characters.import({ file: other });
    await ann.users.remove();
    await server.kill();
    await age(await blobsOf(dataDir));
    const again = await rig.start({ dataDir });
    await until("her picture to be swept", async () => (await blobsOf(dataDir)).length === 1);
    expect(await Promise.all(mine.map((path) => stat(path).catch(() => null)))).toEqual([null, null]);
    expect((await again.owner.characters.avatar({ character_id: character.id })).size).toBeGreaterThan(100);
  },
);
