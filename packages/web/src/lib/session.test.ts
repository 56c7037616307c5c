import { Problem, type ProblemCode } from "@parley-chat/sdk";
import { expect, test } from "vitest";
import { memoryStorage } from "./fixture.ts";
import { createKept } from "./kept.ts";
import { createSession } from "./session.ts";
import type { TabLock } from "./tab-lock.ts";

const user = { id: "u", email: "ann@example.org", display_name: "Ann", role: "user", created_at: "" };
const json = (status: number, body: unknown) => new Response(JSON.stringify(body), { status });
const refused = (code: ProblemCode) => {
  const problem = new Problem(code);
  return json(problem.status, problem.toDocument("r"));
};

/** One browser: its tabs share a lock, storage and a channel, and the server a rotating cookie. */
function setUp() {
  const storage = memoryStorage();
  const keys: string[] = [];
  const waits: number[] = [];
  let time = 0;
  let count = 0;
  let refreshAnswer: (() => Response | Error) | null = null;
  const dead = new Set<string>();
  const listeners = new Set<(event: { data: unknown }) => void>();
  let tail: Promise<unknown> = Promise.resolve();
  const lock: TabLock = (_, work) => {
    const done = tail.then(work, work);
    tail = done.catch(() => {});
    return done;
  };
  const pair = () =>
    json(201, { user, session: { access_token: `a${++count}`, token_type: "Bearer", expires_in: 1_800 } });

  const fetch = async (url: string | URL | Request, init?: RequestInit) => {
    const path = new URL(String(url)).pathname;
    const headers = new Headers(init?.headers);
    if (path === "/api/v2/sessions/refresh") {
      keys.push(headers.get("idempotency-key") as string);
      const answer = refreshAnswer?.() ?? pair();
      if (answer instanceof Error) throw answer;
      return answer;
    }
    if (path === "/api/v2/sessions" || path === "/api/v2/users") return pair();
    if (path === "/api/v2/sessions/current") return new Response(null, { status: 204 });
    const token = headers.get("authorization")?.slice(7) ?? "";
    return dead.has(token) ? refused("unauthenticated") : json(200, { ...user, display_name: token });
  };
  const tab = () =>
    createSession({
      baseUrl: "http://parley.test",
      fetch: fetch as typeof globalThis.fetch,
      kept: createKept(storage, "parley."),
      lock,
      channel: {
        postMessage: (data) => {
          for (const listener of listeners) listener({ data });
        },
        addEventListener: (_, listener) => void listeners.add(listener),
      },
      now: () => time,
      wait: async (ms) => void waits.push(ms),
    });
  return {
    tab,
    keys,
    waits,
    dead,
    refreshAs: (answer: (() => Response | Error) | null) => {
      refreshAnswer = answer;
    },
    later: (ms: number) => {
      time += ms;
    },
  };
}
const usedToken = async (session: ReturnType<typeof createSession>) =>
  (await session.client.users.me()).display_name;

test("an earlier visit's session is taken up by its cookie", async () => {
  const session = setUp().tab();
  await session.resume();
  expect(session.state.get()).toEqual({ status: "signed_in", user });
  expect(await usedToken(session)).toBe("a1");
});

test("calls at once share one refresh, and a token is renewed before it ends", async () => {
  const { tab, keys, later } = setUp();
  const session = tab();
  expect(await Promise.all([1, 2, 3].map(() => usedToken(session)))).toEqual(["a1", "a1", "a1"]);
  later(1_700_000);
  expect(await usedToken(session)).toBe("a1");
  later(50_000);
  expect(await usedToken(session)).toBe("a2");
  expect(keys).toHaveLength(2);
});

test("a token that is refused before its time is replaced once, and the call repeated", async () => {
  const { tab, dead } = setUp();
  const session = tab();
  await session.resume();
  dead.add("a1");
  expect(await usedToken(session)).toBe("a2");
});

test("a refresh whose answer was lost is repeated with the same key, by the next page too", async () => {
  const { tab, keys, refreshAs } = setUp();
  refreshAs(() => new TypeError("network"));
  const lost = tab();
  await lost.resume();
  expect(lost.state.get().status).toBe("unreachable");
  refreshAs(null);
  const session = tab();
  await session.resume();
  await session.resume();
  expect(keys[1]).toBe(keys[0]);
  expect(keys[2]).not.toBe(keys[1]);
});

test("a refresh that another one holds up waits as long as the server says", async () => {
  const { tab, refreshAs, waits } = setUp();
  let busy = 2;
  refreshAs(() => (busy-- > 0 ? refused("in_flight") : (null as unknown as Response)));
  const session = tab();
  await session.resume();
  expect(session.state.get().status).toBe("signed_in");
  expect(waits).toEqual([1_000, 1_000]);
});

test("a session that has ended signs the page out, and says that it was so", async () => {
  const { tab, refreshAs, later } = setUp();
  const session = tab();
  await session.resume();
  later(1_800_000);
  refreshAs(() => refused("unauthenticated"));
  await expect(session.client.users.me()).rejects.toMatchObject({ code: "unauthenticated" });
  expect(session.state.get()).toEqual({ status: "signed_out", hasExpired: true });
});

test("signing in and out in one tab is heard in the others", async () => {
  const { tab } = setUp();
  const [here, there] = [tab(), tab()];
  await here.signIn({ email: "ann@example.org", password: "12345678" });
  await expect.poll(() => there.state.get().status).toBe("signed_in");
  await here.signOut();
  expect(there.state.get()).toEqual({ status: "signed_out", hasExpired: false });
});

test("an earlier session that the server refuses to take up says why", async () => {
  const { tab, refreshAs } = setUp();
  refreshAs(() => refused("forbidden"));
  const session = tab();
  await session.resume();
  expect(session.state.get()).toMatchObject({
    status: "signed_out",
    hasExpired: false,
    error: { code: "forbidden" },
  });
  refreshAs(() => refused("unauthenticated"));
  await session.resume();
  expect(session.state.get()).toEqual({ status: "signed_out", hasExpired: false });
});
