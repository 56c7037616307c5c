import { startProgram } from "./lib/process.ts";
import { startProduct } from "./lib/product.ts";
import { type Bench, show } from "./lib/report.ts";
import { askAndAnswer, type BareSocket, clientFrame, openSockets, socketPaths } from "./lib/sockets.ts";
import { interleave, median, ratio } from "./lib/stats.ts";

const COMMAND_CLIENTS = 64;
const SEND_CLIENTS = 256;
const COMMANDS = 64_000;
const SENDS = 25_600;
const ROUNDS = 5;
const CONTENT =
  "The rain had stopped by the time she reached the harbour, and nobody was waiting there. ".repeat(3);

export const bench: Bench = {
  bar: 7,
  title: "over sockets: a command and its reply; a message and its durable ack",
  async run() {
    const product = await startProduct();
    const echo = await startProgram("references/ws-echo.ts");
    const conversations = await product.conversations(SEND_CLIENTS);

    const ours = await openSockets(product.port, await socketPaths(product, SEND_CLIENTS));
    const theirs = await openSockets(echo.port, Array(SEND_CLIENTS).fill("/"));
    const some = (sockets: BareSocket[]) => sockets.slice(0, COMMAND_CLIENTS);
    const ping = clientFrame('{"type":"ping","id":"12345678"}');
    let sends = 0;
    const send = (socket: number) => clientFrame(sendText(conversations[socket] as string, `${++sends}`));

    const rounds = await interleave(ROUNDS, {
      "echo of a command": () =>
        measured(echo, () =>
          askAndAnswer(
            some(theirs),
            COMMANDS,
            () => ping,
            () => true,
          ),
        ),
      "command and reply": () =>
        measured(product, () => askAndAnswer(some(ours), COMMANDS, () => ping, isOf("pong"))),
      "echo of a message": () => measured(echo, () => askAndAnswer(theirs, SENDS, send, () => true)),
      "message and ack": () => measured(product, () => askAndAnswer(ours, SENDS, send, isOf("ack"))),
    });
    for (const [name, results] of Object.entries(rounds)) {
      show(
        name,
        `${median(results.map(({ perSecond }) => perSecond)).toFixed(0)}/s`,
        `${median(results.map(({ cpuUs }) => cpuUs)).toFixed(1)} µs of CPU`,
      );
    }
    // What the server does with the same CPU time, whatever else the machine does.
    const of = (name: string) => (rounds[name] ?? []).map(({ cpuUs }) => cpuUs);
    return [
      {
        what: "commands for the same CPU, product / ws echo",
        value: ratio(of("echo of a command"), of("command and reply")),
        must: "at least",
        limit: 0.8,
      },
      {
        what: "messages for the same CPU, product / ws echo",
        value: ratio(of("echo of a message"), of("message and ack")),
        must: "at least",
        limit: 0.5,
      },
    ];
  },
};

const sendText = (conversation_id: string, id: string): string =>
  JSON.stringify({
    type: "message.send",
    id,
    conversation_id,
    content: CONTENT,
    client_message_id: `bench-${id}`,
    reply: false,
  });

const isOf = (type: string) => {
  const start = Buffer.from(`{"type":"${type}"`);
  return (payload: Buffer) => payload.subarray(0, start.length).equals(start);
};

async function measured(server: { cpuMs(): number }, run: () => Promise<number>) {
  const before = server.cpuMs();
  const startedAt = performance.now();
  const perSecond = await run();
  const count = (perSecond * (performance.now() - startedAt)) / 1_000;
  return { perSecond, cpuUs: ((server.cpuMs() - before) * 1_000) / count };
}
