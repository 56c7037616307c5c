import { createHash } from "node:crypto";
import { existsSync, readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import type { Character } from "@parley-chat/sdk";
import { base64, chunk, header, pngOf, rows, text } from "../../cards/make-png.ts";
import type { Server } from "../../rig/server.ts";
import type { ImportCall, PicturesAtEnd } from "../history.ts";
import { insist, now, type Recorder, type World } from "../load.ts";
import { until } from "../until.ts";

const PREFIX = "Card ";
const WIDTH = 40;
const LONG_AGO_S = 1_700_000_000;

/** Imports a card with a picture of its own, until it is answered. */
export async function importCard(world: World, { history }: Recorder, nth: number): Promise<void> {
  const name = `${PREFIX}${nth}`;
  const size = [WIDTH, WIDTH + nth] as const;
  const card = text("tEXt", "chara", base64({ name, description: "Keeps bees." }));
  const file = pngOf(header(...size), card, rows(...size), chunk("IEND"));
  await insist(
    world,
    history,
    (owner) => owner.characters.import({ file }, { idempotencyKey: name }),
    () => {
      const record: ImportCall = { name, invokedAt: now(), settledAt: Number.POSITIVE_INFINITY, ok: null };
      history.imports.push(record);
      return {
        settled(answer) {
          record.settledAt = now();
          if (answer && "refused" in answer) record.refused = answer.refused;
          if (answer && "ok" in answer) record.ok = { characterId: answer.ok.character.id };
        },
      };
    },
  );
}

/** Paths of all blobs in a data folder, by their hash. */
function blobsOf(dataDir: string): Map<string, string> {
  const folder = join(dataDir, "blobs");
  const paths = existsSync(folder) ? (readdirSync(folder, { recursive: true }) as string[]) : [];
  return new Map(
    paths.flatMap((path) => {
      const hash = /[0-9a-f]{64}$/.exec(path)?.[0];
      return hash === undefined ? [] : [[hash, join(folder, path)] as const];
    }),
  );
}

/** As if all had been stored long ago: what came just now is left alone by the sweep of the next start. */
export function agePictures(dataDir: string): void {
  for (const path of blobsOf(dataDir).values()) utimesSync(path, LONG_AGO_S, LONG_AGO_S);
}

/** What is there of imported cards, once the sweep has had `limitMs` to take what nobody shows. */
export async function picturesOf(server: Server, limitMs: number): Promise<PicturesAtEnd> {
  const cards: Character[] = [];
  for (let cursor: string | null = null; ; ) {
    const page: { items: Character[]; next_cursor: string | null } = await server.owner.characters.list({
      limit: 200,
      ...(cursor !== null && { cursor }),
    });
    cards.push(...page.items.filter(({ name }) => name.startsWith(PREFIX)));
    cursor = page.next_cursor;
    if (cursor === null) break;
  }
  const shown = new Map<string, string>();
  for (const { id, name } of cards) {
    const picture = await server.owner.characters.avatar({ character_id: id }).catch(() => null);
    const bytes = picture && new Uint8Array(await picture.arrayBuffer());
    if (bytes) shown.set(name, createHash("sha256").update(bytes).digest("hex"));
  }
  const inUse = new Set(shown.values());
  const dangling = () => [...blobsOf(server.dataDir).keys()].filter((hash) => !inUse.has(hash)).length;
  await until("the sweep", () => dangling() === 0, limitMs).catch(() => null);
  return { names: cards.map(({ name }) => name), shown: [...shown.keys()], dangling: dangling() };
}
