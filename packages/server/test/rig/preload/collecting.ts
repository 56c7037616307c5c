/** Preloaded into a process, has its garbage collected twice a second, so that what is left is what is held. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const EVERY_MS = 500;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
setInterval(() => collect(), EVERY_MS).unref();
