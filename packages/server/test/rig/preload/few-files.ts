/** Preloaded into a process, leaves it `?left=` files that it may open beyond those it has. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { pid } from "node:process";

let left = Number(new URL(import.meta.url).searchParams.get("left"));
const open = new Set(readdirSync("/proc/self/fd").map(Number));
let max = 0;
// A file takes the lowest number that is free.
for (; left > 0; max++) if (!open.has(max)) left--;
execFileSync("prlimit", [`--pid=${pid}`, `--nofile=${max}:`]);
