import { type Client, createClient, Problem, type User } from "@parley-chat/sdk";
import { newId } from "./ids.ts";
import type { Kept } from "./kept.ts";
import { createStore, type Store } from "./store.ts";
import type { TabLock } from "./tab-lock.ts";

export type SessionState =
  | { status: "starting" }
  /** `error`: why an earlier session could not be taken up, where signing in again may not help. */
  | { status: "signed_out"; hasExpired: boolean; error?: Problem }
  | { status: "signed_in"; user: User }
  | { status: "unreachable"; error: unknown };

/** The part of `BroadcastChannel` that tells other tabs. */
export interface TabChannel {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
}

export interface Account {
  email: string;
  password: string;
}

/** Who is signed in on this page. The access token lives in memory, the refresh token in a cookie. */
export interface PageSession {
  readonly state: Store<SessionState>;
  /** Calls as the person signed in; refreshes by itself. */
  readonly client: Client;
  /** Takes up the session of an earlier visit. */
  resume(): Promise<void>;
  signInByCode(code: string): Promise<void>;
  signIn(account: Account): Promise<void>;
  register(account: Account & { display_name?: string }): Promise<void>;
  signOut(): Promise<void>;
  /** After a change of one's own account. */
  changed(user: User): void;
  /** Drops a session whose account is gone. */
  forget(): void;
}

interface Access {
  token: string;
  endsAtMs: number;
}

/** An access token is renewed so long before its end. */
const RENEW_BEFORE_MS = 60_000;
const BUSY_TRIES_MAX = 5;

export function createSession(uses: {
  baseUrl: string;
  fetch: typeof globalThis.fetch;
  kept: Kept;
  lock: TabLock;
  channel: TabChannel | undefined;
  now(): number;
  wait(ms: number): Promise<void>;
}): PageSession {
  const { baseUrl, fetch, kept, lock, channel, now, wait } = uses;
  const state = createStore<SessionState>({ status: "starting" });
  const anyone = createClient({ baseUrl, fetch });
  let access: Access | null = null;
  let refreshing: Promise<void> | null = null;

  function signedIn({ user, session }: Awaited<ReturnType<Client["sessions"]["create"]>>) {
    access = { token: session.access_token, endsAtMs: now() + session.expires_in * 1_000 };
    state.set((old) => (isSame(old, user) ? old : { status: "signed_in", user }));
  }

  function signedOut(hasExpired: boolean, error?: Problem) {
    access = null;
    kept.write("refresh_key", undefined);
    state.set({ status: "signed_out", hasExpired, ...(error && { error }) });
  }

  /**
   * One at a time over all tabs: an old cookie used again would end the session. The key stays the same
   * until an answer was read, so a page that was closed in the midst gets that answer again.
   */
  const refresh = () => {
    refreshing ??= lock("parley.refresh", async () => {
      const key = kept.read<string>("refresh_key") ?? newId();
      kept.write("refresh_key", key);
      for (let tries = 1; ; tries++) {
        try {
          signedIn(await anyone.sessions.refresh({}, { idempotencyKey: key }));
          kept.write("refresh_key", undefined);
          return;
        } catch (error) {
          const isBusy = error instanceof Problem && error.code === "in_flight";
          if (!isBusy || tries >= BUSY_TRIES_MAX) throw error;
          await wait((error.retryAfterS ?? 1) * 1_000);
        }
      }
    }).finally(() => {
      refreshing = null;
    });
    return refreshing;
  };

  /** A token that will do for now, and is not the one that was just refused. */
  async function freshToken(refused?: string): Promise<string> {
    const isGood = access && access.token !== refused && access.endsAtMs - RENEW_BEFORE_MS > now();
    if (!isGood) {
      await refresh().catch((error) => {
        if (isUnauthenticated(error)) signedOut(state.get().status === "signed_in");
        throw error;
      });
    }
    return (access as unknown as Access).token;
  }

  const authorised: typeof globalThis.fetch = async (url, init) => {
    const token = await freshToken();
    const send = (bearer: string) => {
      const headers = new Headers(init?.headers);
      headers.set("authorization", `Bearer ${bearer}`);
      return fetch(url, { ...init, headers });
    };
    const answer = await send(token);
    return answer.status === 401 ? send(await freshToken(token)) : answer;
  };

  const client = createClient({ baseUrl, fetch: authorised });

  async function enter(answer: ReturnType<Client["sessions"]["create"]>) {
    signedIn(await answer);
    kept.write("refresh_key", undefined);
    channel?.postMessage("signed_in");
  }

  async function resume() {
    try {
      await refresh();
    } catch (error) {
      if (isUnauthenticated(error)) signedOut(false);
      else if (error instanceof Problem && !error.retryable) signedOut(false, error);
      else state.set({ status: "unreachable", error });
    }
  }

  channel?.addEventListener("message", ({ data }) => {
    if (data === "signed_out") signedOut(false);
    // Another tab's sign-in may be another person's: the cookie says whose.
    if (data === "signed_in") void resume();
  });

  return {
    state,
    client,
    resume,
    signInByCode: (code) => enter(anyone.sessions.create({ code, cookie: true })),
    signIn: (account) => enter(anyone.sessions.create({ ...account, cookie: true })),
    register: (account) => enter(anyone.users.create({ ...account, cookie: true })),
    async signOut() {
      try {
        await client.sessions.end();
      } catch (error) {
        if (!isUnauthenticated(error)) throw error;
      }
      signedOut(false);
      channel?.postMessage("signed_out");
    },
    changed: (user) => state.set({ status: "signed_in", user }),
    forget() {
      signedOut(false);
      channel?.postMessage("signed_out");
    },
  };
}

const isSame = (old: SessionState, user: User) =>
  old.status === "signed_in" && JSON.stringify(old.user) === JSON.stringify(user);

const isUnauthenticated = (error: unknown) => error instanceof Problem && error.code === "unauthenticated";
