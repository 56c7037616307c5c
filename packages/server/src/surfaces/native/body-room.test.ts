import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { FastifyReply, FastifyRequest } from "fastify";
import { expect, test } from "vitest";
import { createBodyRoom } from "./body-room.ts";

const room = () => createBodyRoom({ bytesMax: 100, callerBytesMax: 40 });
const refused = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof Problem) return `${error.code} ${error.retryAfterS}`;
    throw error;
  }
  return "taken";
};

test("a caller has so much room at once, and again once a body of theirs is through", () => {
  const { take } = room();
  const done = take("ann", 30);
  expect(refused(() => take("ann", 11))).toBe("overloaded 2");
  expect(refused(() => take("ben", 40))).toBe("taken");
  done();
  expect(refused(() => take("ann", 40))).toBe("taken");
});

test("all callers together have so much, and one body alone is never too large", () => {
  const { take } = room();
  const done = take("ann", 500);
  expect(refused(() => take("ben", 1))).toBe("overloaded 2");
  done();
  for (const name of ["a", "b", "c"]) expect(refused(() => take(name, 33))).toBe("taken");
  expect(refused(() => take("d", 33))).toBe("overloaded 2");
});

test("a call whose client has left before its body was admitted keeps no room", () => {
  const { admit } = createBodyRoom({ bytesMax: 100_000, callerBytesMax: 100_000 });
  const request = { headers: { "content-length": "100000" }, principal: null, ip: "192.0.2.1" };
  const call = () => ({ raw: new ServerResponse(new IncomingMessage(new Socket())) });
  const admitted = (reply: ReturnType<typeof call>) =>
    refused(() => admit(request as unknown as FastifyRequest, reply as unknown as FastifyReply, 100_000));
  const gone = call();
  gone.raw.destroy();
  expect(admitted(gone)).toBe("taken");
  const [first, second] = [call(), call()];
  expect(admitted(first)).toBe("taken");
  expect(admitted(second)).toBe("overloaded 2");
  first.raw.emit("close");
  expect(admitted(second)).toBe("taken");
});
