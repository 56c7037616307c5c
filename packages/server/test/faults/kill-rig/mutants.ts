import type { Mix } from "../client.ts";
import type { Violation } from "../history.ts";
import type { Edit } from "./program.ts";
import type { Hits, Point } from "./schedule.ts";

/** Our product with one promise broken: what the rig must catch, so that its silence means something. */
export interface Mutant {
  name: string;
  /** What the checker has to report. */
  promise: Violation["promise"];
  edits: readonly Edit[];
  /** The kills under which it shows. */
  points: readonly Point[];
  hits?: Hits;
  /** What clients do more often than elsewhere, so that it shows soon. */
  mix?: Partial<Mix>;
}

const WRITER = "kit/sqlite/grouped-writer.ts";
const STORE = "ports/message-store";
const TURNS = "modules/turns";

const LATE_MS = 60;
/** What is written comes to disk a while later, with the transaction open meanwhile. */
const LATE_COMMIT: readonly Edit[] = [
  {
    file: WRITER,
    from: `if (!commitEachStep) db.exec("BEGIN IMMEDIATE");`,
    to: `if (!db.isTransaction) {
      db.exec("BEGIN IMMEDIATE");
      setTimeout(() => { if (db.isTransaction) db.exec("COMMIT"); }, ${LATE_MS});
    }`,
  },
  { file: WRITER, from: `if (!commitEachStep) db.exec("COMMIT");`, to: "" },
];

export const mutants: readonly Mutant[] = [
  {
    name: "an answer goes out before the commit",
    promise: "I1",
    edits: LATE_COMMIT,
    points: ["k05", "k15"],
  },
  {
    name: "a repeat is answered before the first is committed",
    promise: "I1",
    edits: [
      ...LATE_COMMIT,
      {
        file: WRITER,
        from: "resolve(values[n]);",
        to: `setTimeout(() => resolve(values[n]), ${2 * LATE_MS});`,
      },
      {
        file: "modules/messages/messages.ts",
        from: "return key === null ? work() : oneAtATime(",
        to: `return key !== "" ? work() : oneAtATime(`,
      },
    ],
    points: ["k05"],
    hits: [4, 8],
    mix: { repeat: 0.6, awaitEnd: 0 },
  },
  {
    name: "a send is stored in two halves",
    promise: "I5",
    edits: [
      {
        file: `${STORE}/accepting.ts`,
        from: `step("accept.message");`,
        to: `db.exec("COMMIT"); db.exec("BEGIN IMMEDIATE");`,
      },
    ],
    points: ["k02"],
  },
  {
    name: "an outcome is stored in two halves",
    promise: "I8",
    edits: [
      {
        file: `${STORE}/turns.ts`,
        from: `failpoint("k12");`,
        to: `db.prepare("UPDATE messages SET status = ?, turn_status = ?, ended_at = ? WHERE turn_id = ? AND turn_status IS NOT NULL").run(outcome.replyStatus, outcome.status, outcome.at, turnId);
          db.exec("COMMIT"); db.exec("BEGIN IMMEDIATE"); failpoint("k12");`,
      },
      {
        file: `${STORE}/turns.ts`,
        from: `lease_until = NULL
     WHERE conversation_id = ? AND seq = ? AND status = 'pending' AND claim_epoch = ?`,
        to: `lease_until = NULL
     WHERE conversation_id = ? AND seq = ? AND claim_epoch = ?`,
      },
    ],
    points: ["k12"],
  },
  {
    name: "a turn gets two replies",
    promise: "I3",
    edits: [
      {
        file: "modules/messages/messages.ts",
        from: "...originOf(null, requestKey, newId()));",
        to: "...originOf(null, requestKey, newId())); const earlier = await store.message(messageId, userId);",
      },
      {
        file: "modules/messages/messages.ts",
        from: `        turn: newTurn(turnId, target, character),
        requestKey,`,
        to: `        turn: { ...newTurn(turnId, target, character), id: earlier?.turn_id ?? turnId },
        requestKey,`,
      },
      {
        file: `${STORE}/schema.ts`,
        from: "CREATE UNIQUE INDEX messages_turn",
        to: "CREATE INDEX messages_turn",
      },
    ],
    points: ["random"],
    mix: { regenerate: 0.5, read: 0.6 },
  },
  {
    name: "a retry of a client id is a second message with a second turn",
    promise: "I2",
    edits: [
      {
        file: `${STORE}/accepting.ts`,
        from: "(clientMessageId !== null ? byClientId(conversationId, clientMessageId) : undefined)",
        to: "undefined",
      },
      {
        file: "modules/messages/messages.ts",
        from: "...originOf(clientMessageId, requestKey, id))",
        to: "...originOf(null, null, id))",
      },
    ],
    points: ["k04"],
  },
  {
    name: "a repeated regeneration is another one",
    promise: "I2",
    edits: [
      {
        file: "modules/messages/messages.ts",
        from: "const requestKey = requestKeyOf(context, `regenerate:",
        to: "const requestKey = ((..._: unknown[]) => null)(context, `regenerate:",
      },
    ],
    points: ["random"],
    mix: { regenerate: 0.5, repeat: 0.5, read: 0.6 },
  },
  {
    name: "a place is skipped",
    promise: "I5",
    edits: [
      {
        file: `${STORE}/accepting.ts`,
        from: "const seq = (newest as Place).seq + 1;",
        to: "const seq = (newest as Place).seq + 2;",
      },
    ],
    points: ["random"],
    mix: { regenerate: 0.5, read: 0.6 },
  },
  {
    name: "turns run in another order than they were accepted in",
    promise: "I5",
    edits: [
      {
        file: `${STORE}/turns.ts`,
        from: "if (countsAsAttempt && oldestPending(conversation_id)?.seq !== seq) return null;",
        to: "",
      },
      {
        file: `${TURNS}/lanes.ts`,
        from: "if (wasFirst && rest[0]) front.push(rest[0]);",
        to: "if (wasFirst && rest[0]) front.push((lanes.set(turn.conversationId, rest.reverse()), rest[0]));",
      },
    ],
    points: ["k04"],
    hits: [8, 12],
    mix: { awaitEnd: 0 },
  },
  {
    name: "an edit hangs below the head in place of what it names",
    promise: "I5",
    edits: [
      {
        file: `${STORE}/accepting.ts`,
        from: "if (parentId === null || (parentId === undefined && !newest)) return ROOT;\n    if (parentId !== undefined) {",
        to: "if (!newest) return ROOT;\n    if (!newest) {",
      },
    ],
    points: ["k04"],
    hits: [8, 12],
    mix: { edit: 0.5, read: 0.6 },
  },
  {
    name: "siblings are not counted",
    promise: "I5",
    edits: [
      {
        file: `${STORE}/tree.ts`,
        from: "if (other) return other.sibling_index + 1;",
        to: "if (other) return other.sibling_index;",
      },
    ],
    points: ["k04"],
    hits: [8, 12],
    mix: { regenerate: 0.5, edit: 0.3, read: 0.6 },
  },
  {
    name: "a cursor is one short",
    promise: "I6",
    edits: [
      {
        file: `${TURNS}/turn-log.ts`,
        from: "const cursor = cursorAt(attempt.prefix, at.position);",
        to: "const cursor = cursorAt(attempt.prefix, at.position - 1);",
      },
    ],
    points: ["random"],
    mix: { cut: 0.6 },
  },
  {
    name: "a cursor is one too far",
    promise: "I6",
    edits: [
      {
        file: `${TURNS}/turn-log.ts`,
        from: "const cursor = cursorAt(attempt.prefix, at.position);",
        to: "const cursor = cursorAt(attempt.prefix, at.position + 1);",
      },
    ],
    points: ["random"],
    mix: { cut: 0.6 },
  },
  {
    name: "a claim does not raise the epoch",
    promise: "I6",
    edits: [
      {
        file: `${STORE}/turns.ts`,
        from: "UPDATE messages SET claim_epoch = claim_epoch + 1, attempts = ?, owner",
        to: "UPDATE messages SET attempts = ?, owner",
      },
      { file: `${STORE}/turns.ts`, from: "row.claim_epoch++;", to: "" },
    ],
    points: ["k10", "k16"],
    hits: [20, 60],
  },
  {
    name: "a reset is not announced",
    promise: "I6",
    edits: [
      {
        file: `${TURNS}/turn-log.ts`,
        from: "if (cursor.epoch < attempt.epoch) return reset(attempt, attempt.reason);",
        to: "if (cursor.epoch < attempt.epoch) return null;",
      },
    ],
    points: ["k10", "k16"],
  },
  {
    name: "a piece comes twice to a reader who is behind",
    promise: "I6",
    edits: [
      {
        file: "surfaces/native/event-stream.ts",
        from: "    text += renderFrame(frame);",
        to: `    text += renderFrame(frame);
    if (count > 0 && frame.event.type === "reply.delta") text += renderFrame(frame);`,
      },
    ],
    points: ["random"],
  },
  {
    name: "a stream that breaks off counts as complete",
    promise: "I8",
    edits: [
      {
        file: `${TURNS}/runner.ts`,
        from: `isStopped ? "stopped" : end.kind === "completed" ? "completed" : "failed";`,
        to: `isStopped ? "stopped" : end.kind === "completed" || content !== "" ? "completed" : "failed";`,
      },
    ],
    points: ["random"],
  },
  {
    name: "a reply holds the text of two attempts",
    promise: "I8",
    edits: [
      {
        file: `${TURNS}/runner.ts`,
        from: "const again = firstTextAt === null && (await mayTryAgain(run, end));",
        to: "const again = await mayTryAgain(run, { ...end, retryable: true });",
      },
      {
        file: `${TURNS}/turn-log.ts`,
        from: `state.attempt = newAttempt(epoch, reason, reply.character_id ?? "");
      announceStart();`,
        to: `const old = textOf(state.attempt);
      state.attempt = newAttempt(epoch, reason, reply.character_id ?? "");
      if (old !== "") push(state.attempt, old);
      announceStart();`,
      },
    ],
    points: ["k11"],
    hits: [8, 12],
  },
  {
    name: "a start does not take up what was interrupted",
    promise: "I4",
    edits: [{ file: `${TURNS}/sweep.ts`, from: "for (const turn of page) uses.adopt(turn);", to: "" }],
    points: ["random"],
  },
  {
    name: "a completion is not guarded, by two who run one turn",
    promise: "I3",
    edits: [
      {
        file: `${TURNS}/turns.ts`,
        from: "      lanes.add(turn);\n    },",
        to: "      lanes.add(turn); void run(turn);\n    },",
      },
      {
        file: `${STORE}/turns.ts`,
        from: "if (row.owner === null || (row.lease_until ?? 0) <= at) return false;",
        to: "if (row) return false;",
      },
      {
        file: `${STORE}/turns.ts`,
        from: `if (row.status !== "pending") {`,
        to: `if (row.status === "never") {`,
      },
      {
        file: `${STORE}/turns.ts`,
        from: `if (row.claim_epoch !== epoch || row.owner === null) return { kind: "fenced" };`,
        to: "",
      },
      {
        file: `${STORE}/turns.ts`,
        from: `lease_until = NULL
     WHERE conversation_id = ? AND seq = ? AND status = 'pending' AND claim_epoch = ?`,
        to: `lease_until = NULL
     WHERE conversation_id = ? AND seq = ? AND ? > 0`,
      },
    ],
    points: ["random"],
  },
  {
    name: "a regeneration changes the reply beside it",
    promise: "I15",
    edits: [
      {
        file: `${STORE}/accepting.ts`,
        from: `step("regenerate.reply");`,
        to: `db.prepare("UPDATE messages SET content = content || '.' WHERE id = ?").run(messageId);`,
      },
    ],
    points: ["random"],
    mix: { regenerate: 0.5, read: 0.6 },
  },
  {
    name: "attempts have no bound",
    promise: "I12",
    edits: [
      { file: `${TURNS}/runner.ts`, from: "if (claim.attempts > uses.attemptsMax)", to: "if (!claim)" },
    ],
    points: ["k11"],
    hits: [1, 1],
  },
  {
    name: "a wish to stop is forgotten in a kill",
    promise: "I3",
    edits: [
      {
        file: `${STORE}/turns.ts`,
        from: "wishStop(at, row.conversation_id, row.seq);",
        to: "void wishStop;",
      },
    ],
    points: ["k17"],
  },
  {
    name: "a deleted conversation comes back with a start",
    promise: "I1",
    edits: [
      {
        file: `${STORE}/sqlite.ts`,
        from: "const db = openSqlite({ path, migrations });",
        to: `const db = openSqlite({ path, migrations }); db.exec("UPDATE conversations SET status = 'active' WHERE status = 'deleted'");`,
      },
    ],
    points: ["random"],
    mix: { removeConversation: 0.2 },
  },
  {
    name: "a deleted message loses its place",
    promise: "I5",
    edits: [
      {
        file: `${STORE}/erasing.ts`,
        from: `"UPDATE messages SET content = '', metadata = '{}', deleted_at = ? WHERE conversation_id = ? AND seq = ?"`,
        to: `"DELETE FROM messages WHERE ? > 0 AND conversation_id = ? AND seq = ?"`,
      },
    ],
    points: ["random"],
    mix: { removeMessage: 0.4, read: 0.6 },
  },
  {
    name: "a deleted message keeps its text",
    promise: "I15",
    edits: [
      {
        file: `${STORE}/erasing.ts`,
        from: `"UPDATE messages SET content = '', metadata = '{}', deleted_at`,
        to: `"UPDATE messages SET metadata = '{}', deleted_at`,
      },
    ],
    points: ["random"],
    mix: { removeMessage: 0.4, read: 0.6 },
  },
  {
    name: "a read shows what was true a while ago",
    promise: "I5",
    edits: [
      {
        file: `${STORE}/pages.ts`,
        from: "page: async (query) => page(query),",
        to: `page: (() => {
          const old = new Map<string, Page>();
          return async (query: PageQuery) => {
            const key = JSON.stringify(query);
            const known = old.get(key) ?? page(query);
            old.set(key, known);
            setTimeout(() => old.delete(key), 100);
            return known;
          };
        })(),`,
      },
    ],
    points: ["random"],
    mix: { read: 0.8 },
  },
  {
    name: "pictures of an import that was cut stay",
    promise: "I19",
    edits: [
      {
        file: "modules/characters/pictures.ts",
        from: "if (!inUse.has(hash) && (await blobs.removeStoredBefore(hash, before))) removed++;",
        to: "void inUse;",
      },
      // A repeat finds another picture than the first left behind.
      {
        file: "modules/characters/pictures.ts",
        from: "const thumb = picture.small && (await blobs.put(picture.small));",
        to: "const thumb = picture.small && (await blobs.put(picture.small)); await blobs.put(Buffer.from(String(Math.random())));",
      },
    ],
    points: ["k19"],
  },
];
