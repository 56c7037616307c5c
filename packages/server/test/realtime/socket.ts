import type { ServerFrame, TurnEvent } from "@parley-chat/sdk";
import { type ClientOptions, WebSocket } from "ws";
import { until } from "../faults/until.ts";
import { OWNER_KEY, type Server } from "../rig/server.ts";

export type Frame = ServerFrame & Record<string, unknown>;
type Typed<T extends string> = Extract<Frame, { type: T }>;

/** A socket as a test sees it: every frame in order, and its end. */
export interface Socket {
  ws: WebSocket;
  frames: Frame[];
  closed: Promise<{ code: number; reason: string }>;
  isClosed(): boolean;
  /** Sends a frame, or text as it is. */
  send(frame: object | string): void;
  /** Sends a frame under a fresh id and waits for the frame that answers it. */
  ask(frame: object): Promise<Frame>;
  /** The nth frame of a type (from 1), now or when it comes. */
  frame<T extends Frame["type"]>(type: T, nth?: number): Promise<Typed<T>>;
  /** The events of turns, in order. */
  events(): TurnEvent[];
  close(): void;
}

type Place = Pick<Server, "url">;

export const socketUrl = (server: Place, ticket: string) =>
  `${server.url.replace("http", "ws")}/api/v2/realtime?ticket=${ticket}`;

export async function newTicket(server: Place, token = OWNER_KEY): Promise<string> {
  const answer = await fetch(`${server.url}/api/v2/realtime/tickets`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
  });
  if (answer.status !== 201) throw new Error(`no ticket: ${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as { ticket: string }).ticket;
}

/** Opens a socket; rejects with the status where it is refused. */
export async function openSocket(
  server: Place,
  options: { token?: string; ticket?: string; ws?: ClientOptions; via?: string } = {},
): Promise<Socket> {
  const ticket = options.ticket ?? (await newTicket(server, options.token));
  const ws = new WebSocket(socketUrl({ url: options.via ?? server.url }, ticket), options.ws);
  const frames: Frame[] = [];
  let isClosed = false;
  ws.on("message", (data) => frames.push(JSON.parse(String(data)) as Frame));
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    ws.once("close", (code, reason) => {
      isClosed = true;
      resolve({ code, reason: String(reason) });
    }),
  );
  await new Promise<void>((resolve, reject) => {
    ws.once("open", resolve);
    ws.once("unexpected-response", (_, response) => {
      reject(new Error(`refused with ${response.statusCode}`));
      ws.on("error", () => {});
      ws.terminate();
    });
    ws.once("error", reject);
  });
  ws.on("error", () => {});
  let lastId = 0;

  const send: Socket["send"] = (frame) => ws.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  return {
    ws,
    frames,
    closed,
    isClosed: () => isClosed,
    send,
    ask(frame) {
      const id = `ask-${++lastId}`;
      send({ ...frame, id });
      return until(`an answer to ${JSON.stringify(frame).slice(0, 200)}`, () =>
        frames.find((one) => "id" in one && one.id === id),
      );
    },
    frame: (type, nth = 1) =>
      until(
        `frame ${nth} of ${type}`,
        () => frames.filter((one) => one.type === type)[nth - 1] as Typed<typeof type>,
      ),
    events: () => frames.filter((one) => /^(turn|reply)\./.test(one.type)) as unknown as TurnEvent[],
    close: () => ws.close(),
  };
}

/** The status with which an upgrade is refused, and its body. */
export function refusedUpgrade(
  server: Place,
  path: string,
  options: ClientOptions = {},
): Promise<{ status: number; body: string; headers: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(`${server.url.replace("http", "ws")}${path}`, options);
    ws.on("error", reject);
    ws.once("open", () => {
      ws.terminate();
      reject(new Error("the upgrade was not refused"));
    });
    ws.once("unexpected-response", (_, response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => {
        resolve({ status: response.statusCode as number, body, headers: response.headers });
        ws.off("error", reject);
        ws.on("error", () => {});
        ws.terminate();
      });
    });
  });
}
