import type { Conversation, Principal } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { expect, test } from "vitest";
import type { Peer } from "../../peer.ts";
import { Session } from "./session.ts";
import type { SocketUses } from "./sockets.ts";

const conversationId = "01900000-0000-7000-8000-000000000002";
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A session over a peer that writes down what it is told; calls of the API wait in `calls`. */
function setUp() {
  const frames: Record<string, unknown>[] = [];
  const holds: string[] = [];
  const calls: { resolve(value: object): void; reject(error: unknown): void; input: unknown }[] = [];
  const joined: string[] = [];
  const problems: string[] = [];
  const call = (input: unknown) =>
    new Promise<never>((resolve, reject) => {
      calls.push({ resolve: resolve as (value: object) => void, reject, input });
    });
  const uses = {
    api: { conversations: { get: call }, messages: { send: call }, turns: { stop: call } },
    feeds: {
      joinUser: () => () => joined.splice(joined.indexOf("user"), 1),
      joinConversation(id: string) {
        joined.push(id);
        return { leave: () => void joined.splice(joined.indexOf(id), 1), fallBehind() {} };
      },
    },
    resume: async () => ({ position: {}, reader: null }),
    underWay: () => [],
    checkOpen() {},
    onProblem: ({ code }: Problem) => void problems.push(code),
  } as unknown as SocketUses;
  joined.push("user");
  const peer: Peer = {
    principal: { userId: "u", credential: { kind: "key", id: "k" } } as Principal,
    userAgent: "",
    address: "",
    write(frame) {
      const head = (frame[1] as number) < 126 ? 2 : 4;
      frames.push(JSON.parse(frame.toString("utf8", head)));
    },
    isBlocked: () => false,
    pause: () => void holds.push("pause"),
    resume: () => void holds.push("resume"),
    giveUp() {},
  };
  const session = new Session(peer, uses);
  const receive = (frame: object) => session.receive(Buffer.from(JSON.stringify(frame)), false);
  return { session, receive, frames, holds, calls, joined, problems };
}

test("while 32 frames are worked on no more are read, and then they are again", async () => {
  const { receive, holds, calls } = setUp();
  for (let n = 0; n < 32; n++) receive({ type: "turn.stop", turn_id: `${n}` });
  expect(holds).toEqual(["pause"]);
  calls[0]?.resolve({ id: "t" });
  await settle();
  expect(holds).toEqual(["pause", "resume"]);
});

test("a socket that closes while it subscribes leaves nothing behind", async () => {
  const { session, receive, calls, joined, frames } = setUp();
  receive({ type: "conversation.subscribe", id: "1", conversation_id: conversationId });
  session.closed();
  calls[0]?.resolve({ id: conversationId } as Conversation);
  await settle();
  expect(joined).toEqual([]);
  expect(frames).toEqual([]);
});

test("messages to one conversation are stored in the order in which they were sent", async () => {
  const { receive, calls, frames } = setUp();
  for (const id of ["1", "2"]) {
    receive({
      type: "message.send",
      id,
      conversation_id: conversationId,
      content: id,
      client_message_id: id,
    });
  }
  expect(calls).toHaveLength(1);
  calls[0]?.reject(new Problem("rate_limited"));
  await settle();
  calls[1]?.resolve({ message: {} });
  await settle();
  expect(frames).toEqual([
    { type: "error", id: "1", problem: expect.objectContaining({ code: "rate_limited" }) },
    { type: "ack", id: "2", message: {} },
  ]);
});

test("what breaks inside is told as internal, without its cause, and reported", async () => {
  const { receive, calls, frames, problems } = setUp();
  receive({ type: "turn.stop", id: "x", turn_id: "t" });
  calls[0]?.reject(new Error("the password is hunter2"));
  await settle();
  expect(frames).toMatchObject([{ type: "error", id: "x", problem: { code: "internal", status: 500 } }]);
  expect(JSON.stringify(frames)).not.toContain("hunter2");
  expect(problems).toEqual(["internal"]);
});

test("an ack of a stop keeps the frame's id, and the turn comes whole beside its fields", async () => {
  const { receive, calls, frames } = setUp();
  receive({ type: "turn.stop", id: "x", turn_id: "t" });
  calls[0]?.resolve({ id: "t", status: "stopped" });
  await settle();
  expect(frames).toEqual([{ type: "ack", id: "x", status: "stopped", turn: { id: "t", status: "stopped" } }]);
});
