/**
 * The test entry point (R18): arms failpoints, then runs like `main.ts`. It is not part of the build,
 * and nothing but `--failpoint` arguments arms anything.
 *
 *   --failpoint k04:kill@3        kills at the third hit (without @n: the first)
 *   --failpoint k04:throw@2+      throws at the second hit and every later one
 *   --failpoint k04:enospc        throws what a full disk does
 *   --failpoint k04:delay=200     stands still for 200 ms
 *   --failpoint k04:pause         stops the process (SIGSTOP) until someone continues it
 *
 * The signal SIGUSR2 throws where nothing catches it: a fault of ours (R17).
 */
import { writeSync } from "node:fs";
import { runCli } from "./cli/cli.ts";
import { armFailpoints } from "./kit/failpoint.ts";

const FAULT =
  /^(?<name>[\w.-]+):(?<action>kill|throw|enospc|delay|pause)(=(?<ms>\d+))?(@(?<nth>\d+)(?<on>\+)?)?$/;

interface Fault {
  name: string;
  nth: number;
  isEveryLater: boolean;
  act(): void;
}

function parseFault(text: string): Fault {
  const { name, action, ms, nth, on } = FAULT.exec(text)?.groups ?? {};
  if (!name || !action) throw new Error(`not a failpoint: ${text}`);
  const actions: Record<string, () => void> = {
    kill: () => process.kill(process.pid, "SIGKILL"),
    pause: () => process.kill(process.pid, "SIGSTOP"),
    delay: () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms ?? 100)),
    throw: () => {
      throw new Error(`failpoint ${name}`);
    },
    enospc: () => {
      throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC", errno: -28 });
    },
  };
  return { name, nth: Number(nth ?? 1), isEveryLater: on !== undefined, act: actions[action] as () => void };
}

const args = process.argv.slice(2);
const faults: Fault[] = [];
for (let at = args.indexOf("--failpoint"); at >= 0; at = args.indexOf("--failpoint")) {
  faults.push(parseFault(args[at + 1] ?? ""));
  args.splice(at, 2);
}

const hits = new Map<string, number>();
armFailpoints((name) => {
  const hit = (hits.get(name) ?? 0) + 1;
  hits.set(name, hit);
  for (const fault of faults) {
    if (fault.name !== name || !(hit === fault.nth || (fault.isEveryLater && hit > fault.nth))) continue;
    writeSync(2, `failpoint ${name} hit ${hit}\n`);
    fault.act();
  }
});

process.on("SIGUSR2", () => {
  throw new Error("a fault on purpose");
});

process.exitCode = await runCli(args);
setTimeout(() => process.exit(), 500).unref();
