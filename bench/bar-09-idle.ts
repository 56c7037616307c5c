import { startProgram } from "./lib/process.ts";
import { startProduct } from "./lib/product.ts";
import { type Bench, show } from "./lib/report.ts";
import { type BareSocket, openSockets, socketPaths } from "./lib/sockets.ts";

const SOCKETS = 10_000;
const STEP = 1_000;
const SETTLE_MS = 5_000;
const TOTAL_MB_MAX = 200;

export const bench: Bench = {
  bar: 9,
  title: "memory of 10,000 sockets that are signed in and idle",
  async run() {
    const echo = await startProgram("references/ws-echo.ts");
    const plain = await measured(echo, async () => {
      return openSockets(echo.port, Array(SOCKETS).fill("/"));
    });
    await echo.stop();

    const product = await startProduct();
    const ours = await measured(product, async () => {
      const sockets: BareSocket[] = [];
      // In steps, for a ticket is good for half a minute.
      while (sockets.length < SOCKETS) {
        sockets.push(...(await openSockets(product.port, await socketPaths(product, STEP))));
      }
      return sockets;
    });
    for (const [name, { emptyMb, fullMb }] of Object.entries({ "plain ws": plain, product: ours })) {
      const eachKb = ((fullMb - emptyMb) * 1_024) / SOCKETS;
      show(name, `${emptyMb.toFixed(0)} → ${fullMb.toFixed(0)} MB`, `${eachKb.toFixed(1)} KB a socket`);
    }
    return [
      {
        what: `product / ${TOTAL_MB_MAX} MB`,
        value: ours.fullMb / TOTAL_MB_MAX,
        must: "at most",
        limit: 1,
      },
      { what: "product / plain ws", value: ours.fullMb / plain.fullMb, must: "at most", limit: 1.6 },
    ];
  },
};

/** Memory before and with the sockets; they are closed again, for one process may not have twice as many. */
async function measured(server: { residentMb(): number }, open: () => Promise<BareSocket[]>) {
  const emptyMb = server.residentMb();
  const sockets = await open();
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const fullMb = server.residentMb();
  for (const socket of sockets) socket.close();
  return { emptyMb, fullMb };
}
