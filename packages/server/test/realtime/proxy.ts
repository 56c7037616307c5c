import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A way to the server that breaks. */
export interface Proxy {
  url: string;
  /** How many connections it has cut. */
  cuts: number;
  /** Cuts everything now; while `isShut` nothing gets through. */
  cutAll(): void;
  isShut: boolean;
  /** While true, what is written goes nowhere, and nobody hears of it. */
  isHole: boolean;
  close(): void;
}

/** Passes connections on; each is cut in both directions after as many bytes of answers as `cutAfter` says. */
export async function startProxy(
  target: () => string,
  cutAfter: () => number = () => Number.POSITIVE_INFINITY,
): Promise<Proxy> {
  const open = new Set<Socket>();
  const server = createServer((client) => {
    if (proxy.isShut) {
      client.destroy();
      return;
    }
    const { hostname, port } = new URL(target());
    const upstream = connect(Number(port), hostname);
    let left = cutAfter();
    const cut = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on("error", cut);
      socket.on("close", () => {
        open.delete(socket);
        cut();
      });
    }
    client.on("data", (chunk) => {
      if (!proxy.isHole) upstream.write(chunk);
    });
    upstream.on("data", (chunk) => {
      if (proxy.isHole) return;
      client.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left > 0) return;
      proxy.cuts++;
      // What was passed on arrives; what comes after it does not.
      client.destroySoon();
      upstream.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: Proxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cuts: 0,
    isShut: false,
    isHole: false,
    cutAll() {
      for (const socket of open) socket.destroy();
    },
    close() {
      server.close();
      proxy.cutAll();
    },
  };
  return proxy;
}
