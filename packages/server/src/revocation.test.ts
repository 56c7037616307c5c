import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { Principal } from "@parley-chat/sdk/contract";
import { expect, test } from "vitest";
import type { TurnReader } from "./modules/turns/turn-log.ts";
import { bearer, type Fixture, register, setUp } from "./modules/users/fixture.ts";
import { createEventStreams } from "./surfaces/native/event-stream.ts";

/** I13 in one process: so long after its end a credential may still be behind an open stream. */
const REVOKED_MS_MAX = 1_000;
const LOOPS_MAX = 1_000;

/** An open stream of this person, on the same clock as what says whether their credential lives. */
function openStream({ all, clock }: Fixture, principal: Principal) {
  let isClosed = false;
  const response = new ServerResponse(
    Object.assign(new IncomingMessage(new Socket()), { httpVersionMajor: 1, httpVersionMinor: 1 }),
  );
  response.assignSocket(openSocket() as Socket);
  response.writeHead(200, { "content-type": "text/event-stream" });
  const streams = createEventStreams(clock);
  streams.open(response, silentReader, {
    isAlive: () => all.isAlive(principal),
    onClose() {
      isClosed = true;
    },
  });
  /** Whether it is closed once everything that is under way has been done, without time passing. */
  return async () => {
    for (let n = 0; n < LOOPS_MAX && !isClosed; n++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    return isClosed;
  };
}

const openSocket = (): Duplex =>
  Object.assign(
    new Duplex({
      read() {},
      write: (_chunk, _encoding, taken) => taken(),
    }),
    { setTimeout() {} },
  );

const silentReader: TurnReader = { next: () => null, isDone: () => false, onNews() {}, close() {} };

type Ending = [
  what: string,
  begin: (fixture: Fixture) => Promise<{ principal: Principal; end: () => Promise<unknown> }>,
];

const endings: Ending[] = [
  [
    "a session that is ended",
    async (fixture) => {
      const { principal, me } = await register(fixture);
      return { principal, end: () => fixture.all.sessions.end({}, me) };
    },
  ],
  [
    "a key that is revoked",
    async (fixture) => {
      const { me } = await register(fixture);
      const key = await fixture.all.keys.create({ name: "k" }, me);
      const principal = await fixture.all.authenticate(bearer(key.secret));
      return { principal, end: () => fixture.all.keys.remove({ key_id: key.id }, me) };
    },
  ],
  [
    "a key that expires",
    async (fixture) => {
      const { me } = await register(fixture);
      const expires_at = new Date(fixture.clock.now() + 120_000).toISOString();
      const { secret } = await fixture.all.keys.create({ name: "k", expires_at }, me);
      const principal = await fixture.all.authenticate(bearer(secret));
      return { principal, end: () => fixture.clock.advance(Date.parse(expires_at) - fixture.clock.now()) };
    },
  ],
  [
    "an account that is erased",
    async (fixture) => {
      const { principal, me } = await register(fixture);
      return { principal, end: () => fixture.all.users.remove({}, me) };
    },
  ],
];

test.each(endings)(
  "I13: %s lets go of its open stream within a second of the clock, and never before",
  async (_, begin) => {
    const fixture = await setUp();
    const { principal, end } = await begin(fixture);
    const isClosed = openStream(fixture, principal);
    await fixture.clock.advance(60_000);
    expect(await isClosed()).toBe(false);
    await end();
    await fixture.clock.advance(REVOKED_MS_MAX);
    expect(await isClosed()).toBe(true);
  },
);
