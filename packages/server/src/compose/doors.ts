import { realtimeSocket } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { version } from "../cli/version.ts";
import type { Config } from "../config.ts";
import type { Clock } from "../kit/clock.ts";
import type { Log } from "../kit/log.ts";
import type { Metrics } from "../kit/metrics.ts";
import { createControl, type Secrets } from "../kit/secrets.ts";
import { derivedIds } from "../modules/idempotency/idempotency.ts";
import { createGateway } from "../roles/gateway.ts";
import { createRealtimeRole } from "../roles/realtime/realtime.ts";
import { serveNative } from "../surfaces/native/native.ts";
import { createSockets } from "../surfaces/native/socket/sockets.ts";
import { serveOps } from "../surfaces/ops/ops.ts";
import { serveWeb } from "../surfaces/ops/web.ts";
import type { Modules } from "./modules.ts";
import type { Stores } from "./stores.ts";

export interface DoorUses {
  modules: Modules;
  stores: Pick<Stores, "store" | "health">;
  log: Log;
  secrets: Secrets;
  clock: Clock;
  metrics: Metrics;
  isDraining(): boolean;
  createSignInLink(): Promise<string>;
}

/** Where people and programs come in: the roles of this process, and the surfaces behind them. */
export function createDoors(config: Config, uses: DoorUses) {
  const { modules, stores, log, secrets, clock, metrics, isDraining } = uses;
  const { conversations, messages, turns, users } = modules;
  const control = createControl({ secret: secrets.control });
  const checkOpen = () => {
    if (isDraining()) throw new Problem("draining", undefined, { retryAfterS: 2 });
  };
  const onProblem = (
    problem: Problem,
    { id, method, route }: { id: string; method: string; route: string },
  ) => {
    if (problem.code === "storage_unavailable") stores.health.suspect();
    if (problem.code === "overloaded" && problem.cause !== undefined) {
      log.warn("no more files can be opened", { request_id: id, method, route });
    }
    if (problem.code !== "internal") return;
    log.error("a call failed", { request_id: id, method, route, error: problem.cause });
  };
  const sockets = createSockets({
    api: { conversations, messages, turns },
    news: modules.news,
    clock,
    resume: turns.resume,
    underWay: turns.underWay,
    watch: turns.watch,
    readMessage: stores.store.message,
    readConversation: stores.store.conversation,
    checkOpen,
    onProblem: (problem, id) => onProblem(problem, { id, method: "frame", route: realtimeSocket.path }),
    onTrouble: (error) => log.error("a frame could not be made", { error }),
  });
  const realtimeRole = createRealtimeRole({
    clock,
    allowedOrigins: config.allowedOrigins,
    publicUrl: config.publicUrl,
    socketsPerUserMax: config.socketsPerUserMax,
    checkOpen,
    takeTicket: modules.realtime.takeTicket,
    isAlive: users.isAlive,
    onRevoked: users.onRevoked,
    open: sockets.open,
    onProblem,
    openSockets: metrics.openSockets,
  });
  const gateway = createGateway({
    clock,
    host: config.host,
    port: config.port,
    trustedProxies: config.trustedProxies,
    allowedOrigins: config.allowedOrigins,
    upgrades: realtimeRole,
    onProblem,
    onAnswered(call) {
      metrics.answered(call);
      log.debug("answered", {
        method: call.method,
        route: call.route,
        status: call.status,
        duration_ms: call.durationMs,
        request_id: call.requestId,
      });
    },
    surfaces: [
      (app) =>
        serveNative(app, {
          api: {
            users: users.users,
            sessions: users.sessions,
            keys: users.keys,
            characters: modules.characters,
            conversations,
            messages,
            turns,
            models: modules.models,
            realtime: modules.realtime,
          },
          checkCursor: turns.checkCursor,
          follow: turns.follow,
          authenticate: users.authenticate,
          recall: users.recall,
          isAlive: users.isAlive,
          onRevoked: users.onRevoked,
          idempotency: modules.idempotency,
          derivedIds,
          clock,
          publicUrl: config.publicUrl,
          uploadBytesMax: config.uploadBytesMax,
          checkOpen,
          openStreams: metrics.openStreams,
        }),
      (app) =>
        serveOps(app, {
          version,
          health: stores.health,
          isDraining,
          isLoopback: config.isLoopback,
          metrics: metrics.expose,
          authenticate: users.authenticate,
          openApi: async () =>
            (await import("@parley-chat/sdk/contract/openapi")).openApiDocument({ version }),
          async referencePage() {
            const { referencePage } = await import("../surfaces/ops/reference-page.ts");
            const { openApiDocument } = await import("@parley-chat/sdk/contract/openapi");
            return referencePage(openApiDocument({ version }));
          },
          problemsPage: async () => (await import("../surfaces/ops/reference-page.ts")).problemsPage(),
          async signInLink(secret) {
            if (!control.allows(secret)) throw new Problem("not_found");
            return uses.createSignInLink();
          },
        }),
      (app) => serveWeb(app, { isRegistrationOpen: config.registration === "open" }),
    ],
  });
  return { realtimeRole, gateway };
}
