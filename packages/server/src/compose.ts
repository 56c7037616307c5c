import { randomBytes } from "node:crypto";
import { realtimeSocket } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { version } from "./cli/version.ts";
import type { Config } from "./config.ts";
import { hostForPeople } from "./kit/address.ts";
import type { Clock } from "./kit/clock.ts";
import { createHealth } from "./kit/health.ts";
import { newId } from "./kit/ids.ts";
import { createLimits } from "./kit/limits.ts";
import type { Log } from "./kit/log.ts";
import { createMetrics } from "./kit/metrics.ts";
import { oneByOne } from "./kit/one-by-one.ts";
import { createControl, type Secrets } from "./kit/secrets.ts";
import { createTokenCalibration, estimateTokens } from "./kit/tokens.ts";
import { createCardReader } from "./modules/characters/card-reader.ts";
import { createCharacters } from "./modules/characters/characters.ts";
import { createConversations } from "./modules/conversations/conversations.ts";
import { createIdempotency, derivedIds } from "./modules/idempotency/idempotency.ts";
import { createMessages } from "./modules/messages/messages.ts";
import { createModels, type Described } from "./modules/models/models.ts";
import { createRetryBudget } from "./modules/models/retry-budget.ts";
import { createNews } from "./modules/realtime/news.ts";
import { createRealtime } from "./modules/realtime/realtime.ts";
import { createFitCheck } from "./modules/turns/fit-check.ts";
import { greetingOf } from "./modules/turns/prompt/greeting.ts";
import type { TurnReports } from "./modules/turns/turn-uses.ts";
import { createTurns } from "./modules/turns/turns.ts";
import { createUsers } from "./modules/users/users.ts";
import { openBlobs } from "./ports/blobs/index.ts";
import { openKv } from "./ports/kv/index.ts";
import { LlmFault } from "./ports/llm/fault.ts";
import { checkKey, knownProvider, llmCandidates, openConfiguredLlm } from "./ports/llm/index.ts";
import { openMessageStore } from "./ports/message-store/index.ts";
import { openPubSub } from "./ports/pubsub/index.ts";
import { openSql } from "./ports/sql/index.ts";
import { createGateway } from "./roles/gateway.ts";
import { createRealtimeRole } from "./roles/realtime/realtime.ts";
import { serveNative } from "./surfaces/native/native.ts";
import { createSockets } from "./surfaces/native/socket/sockets.ts";
import { serveOps } from "./surfaces/ops/ops.ts";
import { serveWeb } from "./surfaces/ops/web.ts";

/** At most so many turns of one conversation: the running one and 32 that wait. */
const OPEN_TURNS_MAX = 33;
const ATTEMPTS_MAX = 3;
const RUNNING_TURNS_MAX = 1_000;
const HOUSEKEEPING_EVERY_MS = 60_000;
const PICTURES_SWEPT_EVERY_MS = 3_600_000;

/** Throws a `StartError` where the settings name a provider that there is not, or one that lacks its key. */
export function checkProvider(config: Config): void {
  if (config.provider !== undefined) checkKey(knownProvider(config.provider), config);
}

/** What the provider says that the settings choose: the models it lists, or why it lists none. */
export interface ProviderFound {
  title: string;
  modelsCount: number;
  /** One sentence, or null where it answers. */
  failure: string | null;
  /** The demo, because there is nothing else. */
  isStandIn: boolean;
}

/** Asks the provider that a start would take for its models. Throws as `checkProvider` does. */
export async function askProvider(config: Config, clock: Clock, timeoutMs: number): Promise<ProviderFound> {
  const set = config.provider === undefined ? undefined : knownProvider(config.provider);
  const candidates = llmCandidates(config).filter(({ name, how }) =>
    set === undefined ? how !== "on_request" : name === set,
  );
  let found: ProviderFound | undefined;
  for (const { name, title, how } of candidates) {
    const llm = await openConfiguredLlm(name, config, clock);
    const isStandIn = set === undefined && how === "stand_in";
    found = await llm.models(timeoutMs).then(
      (models) => ({ title, modelsCount: models.length, failure: null, isStandIn }),
      (error) => ({ title, modelsCount: 0, failure: Problem.from(error).detail, isStandIn }),
    );
    if (how !== "probed" || found.modelsCount > 0) break;
  }
  if (!found) throw new Error("there is always a stand-in");
  return found;
}

/** What the log says of a refused write: a disk's refusal is no fault of ours, and needs no stack. */
function whyRefused(refusal: unknown): Record<string, unknown> {
  if (!(refusal instanceof Problem) || refusal.code !== "storage_unavailable") return { error: refusal };
  return { reason: refusal.detail, cause: (refusal.cause as Error | undefined)?.message };
}

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

  const sql = await openSql({ dataDir: config.dataDir });
  const store = await openMessageStore({
    dataDir: config.dataDir,
    onOutcome: (refusal) => health.report("messages", refusal),
  });
  const blobs = await openBlobs({ dataDir: config.dataDir, clock });
  const kv = await openKv({ clock });
  const pubsub = await openPubSub({ onError: (error) => log.error("a listener failed", { error }) });
  const health = createHealth({
    clock,
    dependencies: [
      { name: "accounts", probe: sql.probe },
      { name: "messages", probe: store.probe },
    ],
    onChange(name, isOk, refusal) {
      if (isOk) log.info("a store takes writes again", { store: name });
      else log.error("a store refuses writes", { store: name, ...whyRefused(refusal) });
    },
  });

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
        await conversations.eraseOwnedBy(userId);
        await characters.eraseOwnedBy(userId);
        await idempotency.forget(userId);
      },
      export: (userId) => ({
        characters: characters.exportOwnedBy(userId),
        conversations: conversations.exportOwnedBy(userId),
      }),
    },
  });
  const news = createNews({ pubsub });
  const onActivity = (conversationId: string, userId: string) =>
    news.tellUser(userId, { type: "conversation.active", conversationId });
  const turns = createTurns({
    store,
    clock,
    owner: incarnation,
    isSoleProcess: true,
    characterForTurn: characters.visibleTo,
    characterVersion: async (id) => (await characters.forTurn(id))?.version ?? null,
    displayName: users.displayName,
    isOwner: users.isOwner,
    chooseModel: models.choose,
    estimateTokens,
    calibration,
    retryBudget: createRetryBudget(),
    random: Math.random,
    replyTokensMax: config.replyTokensMax,
    attemptsMax: ATTEMPTS_MAX,
    runningMax: RUNNING_TURNS_MAX,
    onActivity,
    reports: reportTo(log, metrics),
  });
  const conversations = createConversations({
    store,
    clock,
    estimateTokens,
    displayName: users.displayName,
    stopTurns: turns.stopAll,
    forgetAnswers: idempotency.forgetAbout,
    onChange(what, conversation, userId) {
      if (what !== "deleted") {
        news.tellUser(userId, { type: `conversation.${what}`, conversationId: conversation.id });
        return;
      }
      news.tellConversation(conversation.id, { type: "conversation.deleted" });
      news.tellUser(userId, { type: "conversation.deleted", conversation });
    },
    async greeter(characterId, userId) {
      const character = await characters.visibleTo(characterId, userId);
      if (!character || character.isDeleted) return null;
      const { id, name } = character;
      return { id, name, greeting: (index, userName) => greetingOf(character, index, userName) };
    },
  });
  const messages = createMessages({
    store,
    clock,
    estimateTokens,
    character: characters.visibleTo,
    checkFits: createFitCheck({
      characterForTurn: characters.visibleTo,
      displayName: users.displayName,
      windowTokens: models.windowTokens,
      estimateTokens,
      replyTokensMax: config.replyTokensMax,
    }),
    limit: createLimits({
      kv,
      clock,
      what: "messages",
      policies: [
        { name: "minute", max: config.messagesPerMinuteMax, windowMs: 60_000 },
        { name: "hour", max: config.messagesPerHourMax, windowMs: 3_600_000 },
        { name: "day", max: config.messagesPerDayMax, windowMs: 86_400_000 },
      ],
    }),
    claimFor: turns.claimFor,
    turnAccepted: turns.accepted,
    onChange(what, { id, conversation_id }, userId) {
      if (what !== "regenerated") news.tellConversation(conversation_id, { type: what, messageId: id });
      onActivity(conversation_id, userId);
    },
    placesMax: config.messagesPerConversationMax,
    openTurnsMax: OPEN_TURNS_MAX,
  });

  const realtime = createRealtime({ kv, random: randomBytes });
  let isDraining = false;
  let boundPort = config.port;
  const createSignInLink = async () => {
    const { code } = await users.createSignInCode();
    const address = config.publicUrl ?? `http://${hostForPeople(config.host)}:${boundPort}`;
    return `${address}/app/sign-in#code=${code}`;
  };
  const control = createControl({ secret: secrets.control });
  const checkOpen = () => {
    if (isDraining) throw new Problem("draining", undefined, { retryAfterS: 2 });
  };
  const onProblem = (
    problem: Problem,
    { id, method, route }: { id: string; method: string; route: string },
  ) => {
    if (problem.code === "storage_unavailable") health.suspect();
    if (problem.code === "overloaded" && problem.cause !== undefined) {
      log.warn("no more files can be opened", { request_id: id, method, route });
    }
    if (problem.code !== "internal") return;
    log.error("a call failed", { request_id: id, method, route, error: problem.cause });
  };
  const sockets = createSockets({
    api: { conversations, messages, turns },
    news,
    clock,
    resume: turns.resume,
    underWay: turns.underWay,
    watch: turns.watch,
    readMessage: store.message,
    readConversation: store.conversation,
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
    takeTicket: realtime.takeTicket,
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
            characters,
            conversations,
            messages,
            turns,
            models,
            realtime,
          },
          checkCursor: turns.checkCursor,
          follow: turns.follow,
          authenticate: users.authenticate,
          recall: users.recall,
          isAlive: users.isAlive,
          onRevoked: users.onRevoked,
          idempotency,
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
          health,
          isDraining: () => isDraining,
          isLoopback: config.isLoopback,
          metrics: metrics.expose,
          authenticate: users.authenticate,
          openApi: async () =>
            (await import("@parley-chat/sdk/contract/openapi")).openApiDocument({ version }),
          async referencePage() {
            const { referencePage } = await import("./surfaces/ops/reference-page.ts");
            const { openApiDocument } = await import("@parley-chat/sdk/contract/openapi");
            return referencePage(openApiDocument({ version }));
          },
          problemsPage: async () => (await import("./surfaces/ops/reference-page.ts")).problemsPage(),
          async signInLink(secret) {
            if (!control.allows(secret)) throw new Problem("not_found");
            return createSignInLink();
          },
        }),
      (app) => serveWeb(app, { isRegistrationOpen: config.registration === "open" }),
    ],
  });

  /** What fails is tried again the next time, and holds up neither the rest nor a start. */
  const housekeep = () =>
    oneByOne([users.sweep, idempotency.purge], (error) => log.warn("housekeeping failed", { error }));
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
        health.stop,
        users.close,
        cardReader.close,
        pubsub.close,
        kv.close,
        store.close,
        sql.close,
      ];
      await oneByOne(steps, (error) => log.error("a part could not be closed", { error }));
    },
  };
}

function reportTo(log: Log, metrics: ReturnType<typeof createMetrics>): TurnReports {
  return {
    firstText: (provider, durationMs) => metrics.firstToken({ provider, durationMs }),
    ended({ turnId, outcome, durationMs }) {
      const last = outcome.attempts.at(-1);
      metrics.turnEnded({
        status: outcome.status,
        provider: last?.provider ?? "none",
        promptTokens: outcome.usage?.prompt_tokens ?? 0,
        completionTokens: outcome.usage?.completion_tokens ?? 0,
      });
      log.debug("a turn ended", {
        turn_id: turnId,
        status: outcome.status,
        duration_ms: durationMs,
        code: outcome.problem?.code ?? null,
      });
    },
    attemptFailed: ({ turnId, provider, code, cause }) =>
      log.warn("a provider failed", {
        turn_id: turnId,
        provider,
        code,
        ...(cause instanceof LlmFault ? faultFields(cause) : { error: cause }),
      }),
    trouble: (what, cause) => log.error(what, { error: cause }),
  };
}

const faultFields = ({ kind, status, model }: LlmFault) => ({
  reason: kind,
  ...(status !== undefined && { status }),
  ...(model !== undefined && { model }),
});
