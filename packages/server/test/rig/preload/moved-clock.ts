/**
 * Preloaded into a process, moves its wall clock as the file `?file=` says, in milliseconds, whenever that
 * changes; what runs on the monotonic clock it leaves alone, as an operator or NTP does.
 */
import crypto from "node:crypto";
import { readFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const LOOK_EVERY_MS = 10;

const file = new URL(import.meta.url).searchParams.get("file") as string;
const { now } = Date;
let movedMs = 0;
const look = () => {
  movedMs = Number(readFileSync(file, "utf8"));
};
look();
setInterval(look, LOOK_EVERY_MS).unref();

Date.now = () => now() + movedMs;
globalThis.Date = new Proxy(Date, {
  construct: (target, args, as) => Reflect.construct(target, args.length > 0 ? args : [Date.now()], as),
});

// The system's own reading of the time is out of our reach, so its first 48 bits are written anew.
const { randomUUIDv7 } = crypto;
crypto.randomUUIDv7 = (options) => {
  const hex = Date.now().toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}${randomUUIDv7(options).slice(13)}` as ReturnType<
    typeof randomUUIDv7
  >;
};
syncBuiltinESMExports();
