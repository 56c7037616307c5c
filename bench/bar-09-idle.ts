import { startProgram } from "./lib/process.ts";
import { startProduct } from "./lib/product.ts";
import { type Bench, show } from "./lib/report.ts";
import { openSockets, socketPaths } from "./lib/sockets.ts";

const SOCKETS = 10_000;
const SETTLE_MS = 5_000;
const TOTAL_MB_MAX = 200;

export const bench: Bench = {
  bar: 9,
  title: "memory of 10,000 sockets that are signed in and idle",
  async run() {
    const echo = await startProgram("references/ws-echo.ts");
    const product = await startProduct();
    const empty = { echo: echo.residentMb(), product: product.residentMb() };
    await openSockets(echo.port, Array(SOCKETS).fill("/"));
    // In steps, for a ticket is good for half a minute.
    for (let opened = 0; opened < SOCKETS; opened += 1_000) {
      await openSockets(product.port, await socketPaths(product, 1_000));
    }
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const full = { echo: echo.residentMb(), product: product.residentMb() };
    for (const name of ["echo", "product"] as const) {
      const eachKb = ((full[name] - empty[name]) * 1_024) / SOCKETS;
      const mb = `${empty[name].toFixed(0)} → ${full[name].toFixed(0)} MB`;
      show(name === "echo" ? "plain ws" : "product", mb, `${eachKb.toFixed(1)} KB a socket`);
    }
    return [
      {
        what: `product / ${TOTAL_MB_MAX} MB`,
        value: full.product / TOTAL_MB_MAX,
        must: "at most",
        limit: 1,
      },
      { what: "product / plain ws", value: full.product / full.echo, must: "at most", limit: 1.6 },
    ];
  },
};
