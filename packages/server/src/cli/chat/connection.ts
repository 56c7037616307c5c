import { resolve } from "node:path";
import { type Client, createClient } from "@parley-chat/sdk";
import type { Config } from "../../config.ts";
import { FolderInUse } from "../../kit/data-folder.ts";
import { StartError } from "../../kit/start-error.ts";
import { askForSignIn, codeIn, controlUrl } from "../control.ts";
import { logOf, openServer } from "../start.ts";

const DRAIN_MS_MAX = 1_000;
const STARTING_LOOKS_MAX = 50;
const LOOK_EVERY_MS = 200;

/** The owner's line to a server. */
export interface Connection {
  readonly client: Client;
  /** No server was running: this process is it, and ends with the chat. */
  readonly isOwnServer: boolean;
  /** As a person would open it. */
  readonly url: string;
  /** Signs out, and stops the server where it is this process. */
  close(): Promise<void>;
}

/** Where a server answers, and a code that signs the owner in there, once. */
interface Door {
  url: string;
  code: string;
}

/** Reaches the server of the data folder, or becomes it where none runs. Throws a `StartError`. */
export async function connect(config: Config): Promise<Connection> {
  const dataDir = resolve(config.dataDir);
  const knock = async (): Promise<Door | null> => {
    const found = await askForSignIn(dataDir);
    return found && { url: found.url, code: codeIn(found.link) };
  };
  const running = await knock();
  if (running) {
    const session = createSession(running, { knock, whereNow: () => controlUrl(dataDir) });
    return { client: session.client, isOwnServer: false, url: running.url, close: session.end };
  }
  try {
    return await serveHere(config);
  } catch (error) {
    if (!(error instanceof FolderInUse)) throw error;
    // Another process has just taken the folder: its server may be on the way up.
    for (let looks = 0; looks < STARTING_LOOKS_MAX; looks++) {
      await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
      const started = await knock();
      if (!started) continue;
      const session = createSession(started, { knock, whereNow: () => controlUrl(dataDir) });
      return { client: session.client, isOwnServer: false, url: started.url, close: session.end };
    }
    throw error;
  }
}

async function serveHere(config: Config): Promise<Connection> {
  process.umask(0o077);
  // A log between the lines of a conversation would be noise; what is wrong is still said.
  const logLevel = config.logLevel === "silent" ? "silent" : "error";
  const drainTimeoutMs = Math.min(config.drainTimeoutMs, DRAIN_MS_MAX);
  const log = logOf({ ...config, logLevel });
  const opened = await openServer({ ...config, logLevel, drainTimeoutMs }, log);
  const knock = async () => ({
    url: opened.controlUrl,
    code: codeIn(await opened.server.createSignInLink()),
  });
  const session = createSession(await knock(), { knock, whereNow: () => opened.controlUrl });
  return {
    client: session.client,
    isOwnServer: true,
    url: opened.url.origin,
    async close() {
      await session.end();
      await opened.server.stop();
      opened.release();
      log.flush();
    },
  };
}

/**
 * A client that stays signed in: a token that has run out is replaced by a new sign-in, and a server
 * that came back elsewhere is found again. A call that fails for either is made once more.
 */
function createSession(
  door: Door,
  uses: { knock(): Promise<Door | null>; whereNow(): string | null },
): { client: Client; end(): Promise<void> } {
  let { url } = door;
  let token: string | undefined;
  let signingIn: Promise<void> | null = null;
  const plain = () => createClient({ baseUrl: url });

  const signIn = async (through: Door | null) => {
    if (!through) throw new StartError("The server has stopped; start it again with `parley start`.");
    url = through.url;
    token = (await plain().sessions.create({ code: through.code })).session.access_token;
  };
  const renew = () => {
    signingIn ??= uses
      .knock()
      .then(signIn)
      .finally(() => {
        signingIn = null;
      });
    return signingIn;
  };

  const send: typeof fetch = async (target, init) => {
    if (token === undefined) await signIn(door);
    const there = () => {
      const headers = new Headers(init?.headers);
      headers.set("authorization", `Bearer ${token}`);
      const { pathname, search } = new URL(String(target));
      return fetch(new URL(pathname + search, url), { ...init, headers });
    };
    let response: Response;
    try {
      response = await there();
    } catch (error) {
      const now = uses.whereNow();
      if (init?.signal?.aborted || now === null || now === url) throw error;
      url = now;
      response = await there();
    }
    if (response.status !== 401) return response;
    await response.body?.cancel();
    await renew();
    return there();
  };

  return {
    client: createClient({ baseUrl: url, fetch: send }),
    async end() {
      if (token === undefined) return;
      // A session that stays behind for once does no harm: it runs out.
      await createClient({ baseUrl: url, token })
        .sessions.end()
        .catch(() => {});
    },
  };
}
