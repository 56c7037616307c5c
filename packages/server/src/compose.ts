import { createDoors } from "./compose/doors.ts";
import { createModules } from "./compose/modules.ts";
import { openStores } from "./compose/stores.ts";
import type { Config } from "./config.ts";
import { hostForPeople } from "./kit/address.ts";
import type { Clock } from "./kit/clock.ts";
import type { Log } from "./kit/log.ts";
import { createMetrics } from "./kit/metrics.ts";
import { oneByOne } from "./kit/one-by-one.ts";
import type { Secrets } from "./kit/secrets.ts";
import type { Described } from "./modules/models/models.ts";

const HOUSEKEEPING_EVERY_MS = 60_000;
const PICTURES_SWEPT_EVERY_MS = 3_600_000;

/** A process put together and not yet begun. */
export interface Server {
  /** Begins: takes up what an earlier run left, then listens. */
  listen(): Promise<{ host: string; port: number }>;
  /** Which model provider was found, why, and what is wrong with it. */
  describeProvider(): Promise<Described>;
  /** A link that signs the owner in once, within the hour. */
  createSignInLink(): Promise<string>;
  /** Drains, then closes everything in the reverse order of its making. */
  stop(): Promise<void>;
}

/** Puts a process together out of its parts: the only place that names concrete things. */
export async function compose(
  config: Config,
  deps: { log: Log; secrets: Secrets; clock: Clock; incarnation: string },
): Promise<Server> {
  const { log, secrets, clock, incarnation } = deps;
  const metrics = createMetrics();
  const stores = await openStores(config, { log, clock });
  const modules = createModules(config, { ...stores, log, secrets, clock, metrics, incarnation });
  const { users, characters, turns, models } = modules;

  let isDraining = false;
  let boundPort = config.port;
  const createSignInLink = async () => {
    const { code } = await users.createSignInCode();
    const address = config.publicUrl ?? `http://${hostForPeople(config.host)}:${boundPort}`;
    return `${address}/app/sign-in#code=${code}`;
  };
  const { gateway, realtimeRole } = createDoors(config, {
    modules,
    stores,
    log,
    secrets,
    clock,
    metrics,
    isDraining: () => isDraining,
    createSignInLink,
  });

  /** What fails is tried again the next time, and holds up neither the rest nor a start. */
  const housekeep = () =>
    oneByOne([users.sweep, modules.idempotency.purge], (error) => log.warn("housekeeping failed", { error }));
  const stopHousekeeping = clock.every(HOUSEKEEPING_EVERY_MS, () => void housekeep());
  const sweepPictures = () =>
    void characters.sweepPictures().catch((error) => log.warn("sweeping pictures failed", { error }));
  const stopSweeping = clock.every(PICTURES_SWEPT_EVERY_MS, sweepPictures);

  return {
    async listen() {
      await users.ensureOwner();
      await characters.seedStarters();
      await housekeep();
      // The port first: a start that finds it taken must not have spent an attempt of any turn.
      const { host, port } = await gateway.listen();
      boundPort = port;
      models.start();
      await turns.start();
      sweepPictures();
      return { host, port };
    },
    describeProvider: models.describe,
    async createSignInLink() {
      await users.ensureOwner();
      return createSignInLink();
    },
    async stop() {
      isDraining = true;
      const startedMs = clock.monotonic();
      const steps = [
        () => turns.drain(config.drainTimeoutMs),
        realtimeRole.close,
        () => gateway.close(Math.max(0, config.drainTimeoutMs - (clock.monotonic() - startedMs))),
        stopHousekeeping,
        stopSweeping,
        models.stop,
        stores.health.stop,
        users.close,
        modules.cardReader.close,
        stores.pubsub.close,
        stores.kv.close,
        stores.store.close,
        stores.sql.close,
      ];
      await oneByOne(steps, (error) => log.error("a part could not be closed", { error }));
    },
  };
}
