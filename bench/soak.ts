/**
 * Steady mixed load on the product for some minutes. Every ten seconds its memory (when all garbage is
 * collected), descriptors, event-loop delay and the latency of each kind of call are noted; at the end the last third is
 * held against the second. The rates are far below what it can do: what grows here, leaks.
 */
import { readdirSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { setTimeout as after } from "node:timers/promises";
import { type Inspector, inspect } from "./lib/inspector.ts";
import { options } from "./lib/options.ts";
import { startProgram, withTimeout } from "./lib/process.ts";
import { freePort, type Product, startProduct } from "./lib/product.ts";
import { show } from "./lib/report.ts";
import { type BareSocket, clientFrame, openSockets, socketPaths } from "./lib/sockets.ts";
import { median, quantile } from "./lib/stats.ts";

const WINDOW_MS = 10_000;
const SOCKETS = 50;
/** Messages in a conversation before the next one begins, so that no history grows long. */
const CONVERSATION_USES = 40;
const IN_FLIGHT_MAX = 64;
const CALL_TIMEOUT_MS = 10_000;
/** In the first third, which is compared with nothing. */
const BACKUP_AFTER = 0.2;
const MEMORY_GROWTH_MAX = 1.05;
const P99_GROWTH_MAX = 1.25;
/** Of the kind of call that grew most: some come so seldom that their p99 is their slowest. */
const P99_KIND_GROWTH_MAX = 2;
const DESCRIPTORS_GROWTH_MAX = 5;

/**
 * Of a third's windows so many are taken to be quiet. Whatever else the machine does slows some of them;
 * what the product does to itself slows them all.
 */
const QUIET_SHARE = 0.1;

interface Kind {
  perSecond: number;
  call(): Promise<void>;
}

interface Look {
  resident: number;
  heap: number;
  descriptors: number;
  delayMs: number;
  p50: Record<string, number>;
  p99: Record<string, number>;
}

type Figure = (look: Look) => number | undefined;

/** Whether nothing grew. */
export async function run(): Promise<boolean> {
  const upstream = await startProgram("upstream.ts");
  const inspectPort = await freePort();
  const nodeOptions = `--inspect=127.0.0.1:${inspectPort}`;
  const product = await startProduct({ providerPort: upstream.port, nodeOptions });
  const inspector = await inspect(inspectPort);
  const kinds = await load(product);
  const windowsCount = Math.max(3, Math.round((options.minutes * 60_000) / WINDOW_MS));
  const tookMs: Record<string, number[]> = Object.fromEntries(Object.keys(kinds).map((name) => [name, []]));
  const failures: string[] = [];
  const stops = Object.entries(kinds).map(([name, kind]) => drive(name, kind, tookMs, failures));

  const looks: Look[] = [];
  const backupAt = Math.ceil(windowsCount * BACKUP_AFTER);
  for (let window = 1; window <= windowsCount; window++) {
    await after(WINDOW_MS);
    const seen = await look(product, inspector, tookMs);
    looks.push(seen);
    say(window, seen);
    if (window === backupAt) {
      const startedAt = performance.now();
      await product.command("backup", "backups");
      show("a backup", `${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
    }
  }
  await Promise.all(stops.map((stop) => stop()));
  inspector.close();
  return judge(looks, failures);
}

/** Calls at a steady rate, whatever the answers take; returns what ends it. */
function drive(
  name: string,
  { perSecond, call }: Kind,
  tookMs: Record<string, number[]>,
  failures: string[],
): () => Promise<void> {
  const inFlight = new Set<Promise<void>>();
  const once = async () => {
    const startedAt = performance.now();
    try {
      await call();
      tookMs[name]?.push(performance.now() - startedAt);
    } catch (error) {
      failures.push(`${name}: ${(error as Error).message}`);
    }
  };
  const timer = setInterval(() => {
    if (inFlight.size >= IN_FLIGHT_MAX) {
      failures.push(`${name}: ${IN_FLIGHT_MAX} calls wait for an answer`);
      return;
    }
    const running = once().finally(() => inFlight.delete(running));
    inFlight.add(running);
  }, 1_000 / perSecond);
  return async () => {
    clearInterval(timer);
    await Promise.all(inFlight);
  };
}

async function load(product: Product): Promise<Record<string, Kind>> {
  const ask = asker(product);
  const [noted, talked, streamed] = [rotating(product), rotating(product), rotating(product)];
  const messages = (id: string) => `/api/v2/conversations/${id}/messages`;
  const [listed, watched] = (await product.conversations(2)) as [string, string];
  for (let n = 0; n < 100; n++) await ask("POST", messages(listed), { content: `Note ${n}.`, reply: false });

  const sockets: BareSocket[] = [];
  const open = async () => {
    const [socket] = await openSockets(product.port, await socketPaths(product, 1));
    const opened = socket as BareSocket;
    await command(opened, { type: "conversation.subscribe", conversation_id: watched });
    sockets.push(opened);
  };
  for (let n = 0; n < SOCKETS; n++) await open();
  let sends = 0;
  let cards = 0;

  return {
    send: {
      perSecond: 40,
      call: async () =>
        void (await ask("POST", messages(await noted()), { content: "A note.", reply: false })),
    },
    turn: {
      perSecond: 10,
      call: async () => void (await ask("POST", messages(await talked()), { content: "Hello." })),
    },
    stream: {
      perSecond: 15,
      async call() {
        const events = await ask(
          "POST",
          messages(await streamed()),
          { content: "Hello." },
          "text/event-stream",
        );
        if (!events.includes("turn.completed")) throw new Error(`a stream ended with ${events.slice(-300)}`);
      },
    },
    list: {
      perSecond: 30,
      call: async () => void (await ask("GET", `${messages(listed)}?limit=50`)),
    },
    reconnect: {
      perSecond: 4,
      async call() {
        sockets.shift()?.close();
        await open();
      },
    },
    frame: {
      perSecond: 20,
      async call() {
        // The newer half: the oldest is closed next.
        const socket = sockets.at(-1 - (++sends % (SOCKETS / 2))) as BareSocket;
        const conversation_id = await noted();
        await command(socket, {
          type: "message.send",
          conversation_id,
          content: "A note.",
          client_message_id: `frame-${sends}`,
          reply: false,
        });
      },
    },
    "watched turn": {
      perSecond: 1,
      call: async () => void (await ask("POST", messages(watched), { content: "All hear this." })),
    },
    import: {
      perSecond: 0.2,
      async call() {
        const data = { name: `Card ${++cards}`, description: "She waits at the harbour. ".repeat(40) };
        const card = { spec: "chara_card_v2", spec_version: "2.0", data };
        const { character } = JSON.parse(await ask("POST", "/api/v2/characters/import", card));
        await ask("DELETE", `/api/v2/characters/${character.id}`);
      },
    },
  };
}

/** A conversation, and after some uses another. */
function rotating(product: Product): () => Promise<string> {
  let left = 0;
  let current: Promise<string> = Promise.resolve("");
  return () => {
    if (left-- === 0) {
      left = CONVERSATION_USES - 1;
      current = product.conversations(1).then(([id]) => id as string);
    }
    return current;
  };
}

/** Calls over few connections, which stay. */
function asker(product: Product) {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  return (method: string, path: string, body?: object, accept = "application/json"): Promise<string> =>
    new Promise((resolve, reject) => {
      const sent = body === undefined ? "" : JSON.stringify(body);
      const ofBody = { "content-type": "application/json", "content-length": Buffer.byteLength(sent) };
      const asked = httpRequest(
        {
          agent,
          host: "127.0.0.1",
          port: product.port,
          method,
          path,
          headers: { ...product.authorization, accept, ...(sent !== "" && ofBody) },
          timeout: CALL_TIMEOUT_MS,
        },
        (answer) => {
          const parts: Buffer[] = [];
          answer.on("data", (part: Buffer) => parts.push(part));
          answer.on("error", reject);
          answer.on("end", () => {
            const text = Buffer.concat(parts).toString();
            if ((answer.statusCode ?? 500) < 300) resolve(text);
            else reject(new Error(`${method} ${path}: ${answer.statusCode} ${text.slice(0, 300)}`));
          });
        },
      );
      asked.on("timeout", () => asked.destroy(new Error(`${method} ${path} was not answered`)));
      asked.on("error", reject);
      asked.end(sent);
    });
}

const ANSWERS = ["ack", "error"].map((type) => Buffer.from(`{"type":"${type}"`));
let commands = 0;
const answers = new WeakMap<BareSocket, Map<string, (failure: string | null) => void>>();

/** A frame that is answered by an ack with its id. */
function command(socket: BareSocket, frame: object): Promise<void> {
  const waiting = answers.get(socket) ?? new Map();
  if (!answers.has(socket)) {
    answers.set(socket, waiting);
    socket.onFrame = (payload) => {
      if (!ANSWERS.some((begin) => payload.subarray(0, begin.length).equals(begin))) return;
      const { type, id } = JSON.parse(payload.toString()) as { type: string; id?: string };
      waiting.get(id)?.(type === "ack" ? null : payload.toString());
      waiting.delete(id);
    };
  }
  const id = `c${++commands}`;
  const answered = new Promise<void>((resolve, reject) => {
    waiting.set(id, (failure: string | null) => (failure === null ? resolve() : reject(new Error(failure))));
    socket.write(clientFrame(JSON.stringify({ ...frame, id })));
  });
  return withTimeout(answered, CALL_TIMEOUT_MS, "a frame was not answered");
}
async function look(product: Product, inspector: Inspector, tookMs: Record<string, number[]>): Promise<Look> {
  const metrics = await (await fetch(`http://127.0.0.1:${product.port}/metrics`)).text();
  const delay = /^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(metrics)?.[1];
  const p50: Record<string, number> = {};
  const p99: Record<string, number> = {};
  for (const [name, sample] of Object.entries(tookMs)) {
    if (sample.length > 0) {
      p50[name] = median(sample);
      p99[name] = quantile(sample, 0.99);
    }
    tookMs[name] = [];
  }
  const { resident, heap } = await inspector.memoryMb();
  const descriptors = readdirSync(`/proc/${product.pid}/fd`).length;
  return { resident, heap, descriptors, delayMs: Number(delay) * 1_000, p50, p99 };
}

function say(window: number, { resident, heap, descriptors, delayMs, p99 }: Look): void {
  const slow = Object.entries(p99).map(([name, ms]) => `${name} ${ms.toFixed(1)}`);
  show(
    `${(window * WINDOW_MS) / 1_000} s`,
    `${resident.toFixed(1)} MB (heap ${heap.toFixed(1)})`,
    `${descriptors} descriptors`,
    `loop p99 ${delayMs.toFixed(1)} ms`,
    `p99: ${slow.join(", ")}`,
  );
}

function judge(looks: readonly Look[], failures: readonly string[]): boolean {
  const third = Math.floor(looks.length / 3);
  const [second, last] = [looks.slice(-2 * third, -third), looks.slice(-third)];
  const valuesOf = (part: readonly Look[], figure: Figure) =>
    part.map(figure).filter((value) => value !== undefined);
  const middle = (part: readonly Look[], figure: Figure) => median(valuesOf(part, figure));
  const quiet = (part: readonly Look[], figure: Figure) => quantile(valuesOf(part, figure), QUIET_SHARE);
  const growth = (of: typeof middle, figure: Figure) => of(last, figure) / of(second, figure);
  const row = (name: string, of: typeof middle, figure: Figure, unit: string) =>
    show(
      name,
      `${of(second, figure).toFixed(1)} → ${of(last, figure).toFixed(1)} ${unit}`,
      `${growth(of, figure).toFixed(2)}x`,
    );

  console.log("  the second third → the last; of times those of the quiet windows:");
  row("resident", middle, ({ resident }) => resident, "MB");
  row("heap", middle, ({ heap }) => heap, "MB");
  row("event-loop delay p99", quiet, ({ delayMs }) => delayMs, "ms");
  const kinds = Object.keys(looks.at(-1)?.p99 ?? {});
  for (const kind of kinds) {
    row(`${kind} p50`, quiet, ({ p50 }) => p50[kind], "ms");
    row(`${kind} p99`, quiet, ({ p99 }) => p99[kind], "ms");
  }
  for (const failure of failures.slice(0, 5)) console.log(`  failed: ${failure}`);
  if (failures.length > 5) console.log(`  and ${failures.length - 5} more`);

  const memory = growth(middle, ({ resident }) => resident);
  const each = kinds.map((kind) => growth(quiet, ({ p99 }) => p99[kind]));
  const p99 = Math.exp(each.reduce((sum, value) => sum + Math.log(value), 0) / each.length);
  const descriptors = middle(last, (look) => look.descriptors) - middle(second, (look) => look.descriptors);
  const isWell =
    failures.length === 0 &&
    memory <= MEMORY_GROWTH_MAX &&
    p99 <= P99_GROWTH_MAX &&
    Math.max(...each) <= P99_KIND_GROWTH_MAX &&
    descriptors <= DESCRIPTORS_GROWTH_MAX;
  console.log(
    `soak: memory ${memory.toFixed(2)}x, p99 ${p99.toFixed(2)}x, descriptors ${descriptors < 0 ? "" : "+"}${descriptors}: ${isWell ? "pass" : "fail"}`,
  );
  return isWell;
}
