/**
 * Preloaded into a process, has its garbage collected at SIGWINCH, and every so many milliseconds where its
 * address says so, so that what is left is what is held.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
process.on("SIGWINCH", () => collect());
const everyMs = Number(new URL(import.meta.url).searchParams.get("everyMs"));
if (everyMs > 0) setInterval(() => collect(), everyMs).unref();
