import { once } from "node:events";
import { readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { type Entry, newDataDir, runParley, type Server } from "../../rig/server.ts";
import { askedOf, type Common } from "../client.ts";
import { now, type Pace, type Recorder, type World } from "../load.ts";
import { between } from "../random.ts";
import { until, within } from "../until.ts";
import { importCard } from "./cards.ts";
import { DRAIN_MOMENTS, isArmed, type Kill, type Point } from "./schedule.ts";

const UP_MS_MAX = 500;
/** How long a drain may take here, and in production. */
export const DRAIN_MS = 1_000;
const REAL_DRAIN_MS = 10_000;
const SOCKETS = 3;
const STOPS_WHEN_WANTED = 0.8;

/** `outside`: its point was not met in time, so it was killed from outside. */
export type Met = "met" | "outside";

export interface KillerUses {
  world: World;
  recorder: Recorder;
  common: Common;
  pace: Pace;
  random: () => number;
  /** A point that is not met by then is given up, and the server killed from outside. */
  meetMs: number;
  start(failpoints?: string[], env?: Record<string, string>): Promise<Server>;
  /** Work that goes on over the kill. */
  begin(task: Promise<void>): void;
  program: { dataDir: string; env: Record<string, string>; entry: Entry };
}

/** Starts servers on a folder and kills them, each at its point. */
export function createKiller(uses: KillerUses) {
  const { world, recorder, common, pace, random, meetMs, program } = uses;
  const { history } = recorder;
  const { dataDir } = program;
  let cards = 0;

  /** The server that is to die; null where it did so before it was ready. */
  async function startToDie({ point, nth, isReal }: Kill): Promise<Server | null> {
    const failpoints = isArmed(point) ? [`${point}:kill@${nth}`] : [];
    try {
      return await uses.start(failpoints, isReal ? { PARLEY_DRAIN_TIMEOUT_MS: String(REAL_DRAIN_MS) } : {});
    } catch (error) {
      if (isArmed(point) && String(error).includes(`failpoint ${point} hit ${nth}`)) return null;
      throw error;
    }
  }

  async function kill(kill: Kill): Promise<Met> {
    const server = await startToDie(kill);
    if (server) world.server = server;
    const met = server ? await ways(kill, server) : "met";
    const status = server ? await within("the death of the server", server.exited) : "SIGKILL";
    if (status !== "SIGKILL" && !(kill.point === "k23" && status === 0))
      history.faults.push(`the server ended with ${status}: ${server?.stderr().slice(-1_000)}`);
    history.kills.push(now());
    if (kill.point === "k17" && met === "met" && server) noteWish(server);
    return met;
  }

  function ways(kill: Kill, server: Server): Promise<Met> {
    switch (kill.point) {
      case "k00":
        return withSockets(server);
      case "k21":
        return kill.nth % 2 === 0 ? inRestore(server, kill.nth) : inBackup(server, kill.nth);
      case "k23":
        return inDrain(server, kill);
      case "random":
        return atRandom(server);
      default:
        return atPoint(server, kill.point);
    }
  }

  async function atPoint(server: Server, point: Point): Promise<Met> {
    const { mix } = common;
    if (point === "k17") common.mix = { ...mix, stop: STOPS_WHEN_WANTED };
    if (point === "k19") uses.begin(importCard(world, recorder, ++cards));
    const died = within("its point", server.exited, meetMs);
    const isMet = await died.then(
      () => true,
      () => false,
    );
    common.mix = mix;
    if (isMet) return "met";
    await server.kill();
    return server.stderr().includes(`failpoint ${point} hit`) ? "met" : "outside";
  }

  async function atRandom(server: Server): Promise<Met> {
    const killAt = now() + between(random, 0, UP_MS_MAX);
    await until("the moment of a kill", () => now() >= killAt);
    await server.kill();
    return "met";
  }

  /** Sockets are accepted, and nothing is read of them. */
  async function withSockets(server: Server): Promise<Met> {
    const port = Number(new URL(server.url).port);
    for (let n = 0; n < SOCKETS; n++) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      await once(socket, "connect");
    }
    await atRandom(server);
    return "met";
  }

  /** A drain that has to wait for a turn is killed at one of its moments. */
  async function inDrain(server: Server, { nth, isReal }: Kill): Promise<Met> {
    pace.isHeld = true;
    await until("a turn that runs", () => pace.speaking > 0, meetMs).catch(() => null);
    const killAt = now() + (DRAIN_MOMENTS[nth] as number) * (isReal ? REAL_DRAIN_MS : DRAIN_MS);
    process.kill(server.pid, "SIGTERM");
    await until("the moment of a drain", () => now() >= killAt);
    const status = await server.kill();
    pace.isHeld = false;
    return status === "SIGKILL" ? "met" : "outside";
  }

  const command = (args: string[], failpoint?: string) =>
    runParley([...args, ...(failpoint === undefined ? [] : ["--failpoint", failpoint])], program);

  /** A backup beside the running server is killed, and the server with it. */
  async function inBackup(server: Server, step: number): Promise<Met> {
    const into = newDataDir();
    const { code } = await command(["backup", into], `k21:kill@${step}`);
    const made = readdirSync(into).filter((name) => !name.startsWith("."));
    if (code === "SIGKILL" && made.length > 0) history.faults.push("a killed backup looks like a whole one");
    rmSync(into, { recursive: true, force: true });
    await server.kill();
    return code === "SIGKILL" ? "met" : "outside";
  }

  /** The folder's own backup is restored over it, and that is killed: old or new, it is the same. */
  async function inRestore(server: Server, step: number): Promise<Met> {
    await server.kill();
    for (const name of readdirSync(dataDir).filter((each) => each.startsWith("replaced-")))
      rmSync(join(dataDir, name), { recursive: true, force: true });
    const into = newDataDir();
    const { code, stdout, stderr } = await command(["backup", into, "--json"]);
    if (code !== 0) throw new Error(`no backup: ${code} ${stderr}`);
    const { path } = JSON.parse(stdout) as { path: string };
    const restored = await command(["restore", path, "--replace"], `k21:kill@${step}`);
    rmSync(into, { recursive: true, force: true });
    return restored.code === "SIGKILL" ? "met" : "outside";
  }

  /** At this point one wish was stored: that of the stop, or the deletion, which has no answer. */
  function noteWish(server: Server): void {
    const isOpen = (call: { ok: unknown; refused?: string }) => !call.ok && call.refused === undefined;
    const stops = history.stops.filter((call) => askedOf.get(call) === server && isOpen(call));
    const isRemoving = history.removals.some(
      (call) => call.messageId === null && askedOf.get(call) === server && isOpen(call),
    );
    const [stop] = stops;
    if (stop && stops.length === 1 && !isRemoving) stop.storedBy = Date.now();
  }

  return { kill };
}
