/**
 * Plain `ws`: every message comes back as it is. Told to `fan`, it writes a frame that was built once to
 * every socket, so many times at even intervals.
 */
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import * as ws from "ws";

const { WebSocketServer } = ws;

/** A part of the library that its types leave out. */
const { Sender } = ws as unknown as {
  Sender: { frame(data: Buffer, options: object): Buffer[] };
};

const server = createServer();
const sockets = new Set<Socket>();
const webSockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false });
webSockets.on("connection", (webSocket, { socket }) => {
  sockets.add(socket);
  webSocket.on("close", () => sockets.delete(socket));
  webSocket.on("message", (data, isBinary) => webSocket.send(data, { binary: isBinary }));
});
server.listen(0, "127.0.0.1", 4096, () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on("disconnect", () => process.exit());

process.on("message", ({ fan }: { fan?: { text: string; events: number; everyMs: number } }) => {
  if (!fan) return;
  const options = { fin: true, rsv1: false, opcode: 1, mask: false, readOnly: true };
  let left = fan.events;
  const timer = setInterval(() => {
    const frame = Buffer.concat(Sender.frame(Buffer.from(fan.text), options));
    for (const socket of sockets) socket.write(frame);
    if (--left === 0) clearInterval(timer);
  }, fan.everyMs);
});
