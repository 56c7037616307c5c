import type { Config } from "../config.ts";
import type { Clock } from "../kit/clock.ts";
import { createLimits } from "../kit/limits.ts";
import type { Log } from "../kit/log.ts";
import type { Metrics } from "../kit/metrics.ts";
import { estimateTokens, type TokenCalibration } from "../kit/tokens.ts";
import type { Characters } from "../modules/characters/characters.ts";
import { createConversations } from "../modules/conversations/conversations.ts";
import type { Idempotency } from "../modules/idempotency/idempotency.ts";
import { createMessages } from "../modules/messages/messages.ts";
import type { Models } from "../modules/models/models.ts";
import { createRetryBudget } from "../modules/models/retry-budget.ts";
import type { News } from "../modules/realtime/news.ts";
import { createFitCheck } from "../modules/turns/fit-check.ts";
import { greetingOf } from "../modules/turns/prompt/greeting.ts";
import { createTurns } from "../modules/turns/turns.ts";
import type { Users } from "../modules/users/users.ts";
import type { Stores } from "./stores.ts";
import { turnReports } from "./turn-reports.ts";

/** At most so many turns of one conversation: the running one and 32 that wait. */
const OPEN_TURNS_MAX = 33;
const ATTEMPTS_MAX = 3;
const RUNNING_TURNS_MAX = 1_000;

export interface TalkUses extends Pick<Stores, "store" | "kv"> {
  log: Log;
  clock: Clock;
  metrics: Metrics;
  /** Names this run of the process. */
  incarnation: string;
  calibration: TokenCalibration;
  characters: Characters;
  users: Users;
  models: Models;
  idempotency: Idempotency;
  news: News;
}

/** The modules of a conversation: itself, its messages, and the turns that make its replies. */
export function createTalk(config: Config, uses: TalkUses) {
  const { store, kv, log, clock, metrics, incarnation, calibration } = uses;
  const { characters, users, models, idempotency, news } = uses;
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
    reports: turnReports(log, metrics),
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
  return { turns, conversations, messages };
}
