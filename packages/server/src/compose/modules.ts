import { randomBytes } from "node:crypto";
import type { Config } from "../config.ts";
import type { Clock } from "../kit/clock.ts";
import { newId } from "../kit/ids.ts";
import { createLimits } from "../kit/limits.ts";
import type { Log } from "../kit/log.ts";
import type { Metrics } from "../kit/metrics.ts";
import type { Secrets } from "../kit/secrets.ts";
import { createTokenCalibration } from "../kit/tokens.ts";
import { createCardReader } from "../modules/characters/card-reader.ts";
import { createCharacters } from "../modules/characters/characters.ts";
import { createIdempotency } from "../modules/idempotency/idempotency.ts";
import { createModels } from "../modules/models/models.ts";
import { createNews } from "../modules/realtime/news.ts";
import { createRealtime } from "../modules/realtime/realtime.ts";
import { createUsers } from "../modules/users/users.ts";
import { knownProvider, llmCandidates, openConfiguredLlm } from "../ports/llm/index.ts";
import type { Stores } from "./stores.ts";
import { createTalk } from "./talk.ts";

export interface ModuleUses extends Stores {
  log: Log;
  secrets: Secrets;
  clock: Clock;
  metrics: Metrics;
  /** Names this run of the process. */
  incarnation: string;
}

export type Modules = ReturnType<typeof createModules>;

/** What the product does: each module with what it needs of the ports and of the others. */
export function createModules(config: Config, uses: ModuleUses) {
  const { sql, blobs, kv, pubsub, log, secrets, clock, incarnation } = uses;
  const calibration = createTokenCalibration();
  const models = createModels({
    clock,
    calibration,
    candidates: llmCandidates(config),
    setting: config.provider === undefined ? undefined : knownProvider(config.provider),
    open: (name) => openConfiguredLlm(name, config, clock),
    defaultModel: config.model,
    contextTokensMax: config.contextTokensMax,
    onChange: (provider) => log.info("another model provider is in use", { provider }),
  });
  const idempotency = createIdempotency({ sql, clock, incarnation, secret: secrets.root });
  const cardReader = createCardReader({ clock });
  const characters = createCharacters({
    sql,
    blobs,
    clock,
    files: cardReader,
    forgetAnswers: idempotency.forgetAbout,
    importLimit: createLimits({
      kv,
      clock,
      what: "card files",
      policies: [{ name: "imports", max: config.importsPerMinuteMax, windowMs: 60_000 }],
    }),
  });
  const users = createUsers({
    sql,
    kv,
    pubsub,
    clock,
    newId,
    secret: secrets.root,
    settings: {
      registration: config.registration,
      ownerEmail: config.ownerEmail,
      environmentApiKey: config.apiKey,
    },
    owned: {
      async erase(userId) {
        await talk.conversations.eraseOwnedBy(userId);
        await characters.eraseOwnedBy(userId);
        await idempotency.forget(userId);
      },
      export: (userId) => ({
        characters: characters.exportOwnedBy(userId),
        conversations: talk.conversations.exportOwnedBy(userId),
      }),
    },
  });
  const news = createNews({ pubsub });
  const realtime = createRealtime({ kv, random: randomBytes });
  const talk = createTalk(config, { ...uses, calibration, characters, users, models, idempotency, news });
  return { models, cardReader, characters, idempotency, users, news, realtime, ...talk };
}
