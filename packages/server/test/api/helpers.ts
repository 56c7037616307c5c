import { randomUUID } from "node:crypto";
import { type Agent, type IncomingHttpHeaders, request } from "node:http";
import type { Client } from "@parley-chat/sdk";
import {
  type Contract,
  type Conversation,
  contract,
  type ProblemDocument,
  type Route,
  type RouteTable,
  type TurnEvent,
} from "@parley-chat/sdk/contract";
import { expect } from "vitest";
import type { Server } from "../rig/server.ts";

export interface CallOptions {
  /** Sent as `Authorization: Bearer`. */
  token?: string | undefined;
  headers?: Record<string, string | string[]>;
  /** Sent as JSON with its content type. */
  json?: unknown;
  /** Sent as it is, without a content type. */
  raw?: string | Buffer;
  /** Whose connections it takes. */
  agent?: Agent;
}

export interface Answer<T> {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The JSON of the answer; reading it throws where there is none. */
  readonly body: T;
}

/** One call over plain HTTP, for tests in which headers and bytes matter. Reads the answer to its end. */
export function call<T = ProblemDocument>(
  server: Pick<Server, "url">,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer<T>> {
  const { token, json, raw, agent } = options;
  const payload = json === undefined ? raw : JSON.stringify(json);
  return new Promise((resolve, reject) => {
    const sent = request(`${server.url}${path}`, {
      agent,
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(json !== undefined && { "content-type": "application/json" }),
        ...(payload !== undefined && { "content-length": Buffer.byteLength(payload) }),
        ...options.headers,
      },
    });
    sent.on("error", reject);
    sent.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        resolve({
          status: response.statusCode as number,
          headers: response.headers,
          text,
          get body() {
            return JSON.parse(text) as T;
          },
        });
      });
    });
    sent.end(payload);
  });
}

/** Settings under which a test may register as many people as it likes: each comes from its own address. */
export const manyAddresses = { PARLEY_TRUSTED_PROXIES: "127.0.0.1" };

let lastAddress = 0;
export const newAddress = (): { "x-forwarded-for": string } => {
  lastAddress++;
  return { "x-forwarded-for": `10.${lastAddress >> 16}.${(lastAddress >> 8) & 255}.${lastAddress & 255}` };
};

export interface Person {
  id: string;
  email: string;
  password: string;
  /** The access token. */
  token: string;
  refreshToken: string;
  client: Client;
}

export interface SignedIn {
  user: { id: string; email: string; display_name: string; role: string };
  session: { access_token: string; refresh_token: string; token_type: string; expires_in: number };
}

/** Registers someone; the server should run with `manyAddresses`. */
export async function newPerson(server: Server, displayName?: string): Promise<Person> {
  const email = `${randomUUID()}@example.org`;
  const password = `password ${randomUUID()}`;
  const { status, body } = await call<SignedIn>(server, "POST", "/api/v2/users", {
    json: { email, password, ...(displayName !== undefined && { display_name: displayName }) },
    headers: newAddress(),
  });
  expect(status).toBe(201);
  const { access_token: token, refresh_token: refreshToken } = body.session;
  return { id: body.user.id, email, password, token, refreshToken, client: server.client(token) };
}

/** A conversation with a new character of this person's, without a greeting unless one is given. */
export async function newConversation(
  client: Client,
  character: Parameters<Client["characters"]["create"]>[0] = { name: "Ada" },
): Promise<Conversation> {
  const { id } = await client.characters.create(character);
  return client.conversations.create({ character_ids: [id] });
}

/** Follows a turn to its end; gives all of its events. */
export async function follow(client: Client, turnId: string): Promise<TurnEvent[]> {
  const events: TurnEvent[] = [];
  for await (const event of client.events(turnId)) events.push(event);
  return events;
}

/** Sends a message and waits for the end of its turn. */
export async function say(
  client: Client,
  conversationId: string,
  content: string,
  more: { parent_id?: string | null; client_message_id?: string } = {},
) {
  const sent = await client.messages.send({ conversation_id: conversationId, content, ...more });
  if (!sent.turn) throw new Error("a send without a turn");
  const events = await follow(client, sent.turn.id);
  return { message: sent.message, reply: sent.reply, turn: sent.turn, end: events.at(-1) as TurnEvent };
}

/** Stores a message without a reply. */
export async function note(
  client: Client,
  conversationId: string,
  content: string,
  more: { parent_id?: string | null; client_message_id?: string } = {},
) {
  const { message } = await client.messages.send({
    conversation_id: conversationId,
    content,
    reply: false,
    ...more,
  });
  return message;
}

/** The events in the text of an event stream; checks that each is named after its type and carries its cursor. */
export function eventsIn(text: string): TurnEvent[] {
  return text
    .split("\n\n")
    .filter((block) => block.includes("data:"))
    .map((block) => {
      const line = (name: string) =>
        block
          .split("\n")
          .find((one) => one.startsWith(`${name}: `))
          ?.slice(name.length + 2);
      const event = JSON.parse(line("data") as string) as TurnEvent;
      expect(line("event")).toBe(event.type);
      expect(line("id")).toBe("cursor" in event ? event.cursor : undefined);
      return event;
    });
}

/** The code that a call of the client is refused with. */
export async function codeOf(refused: Promise<unknown>): Promise<string> {
  const error = await refused.then(
    (value) => {
      throw new Error(`was not refused: ${JSON.stringify(value)}`);
    },
    (reason: unknown) => reason,
  );
  if (typeof error === "object" && error !== null && "code" in error) return String(error.code);
  throw error;
}

/** Checks that an answer is this problem, in full; gives its document. */
export function expectProblem(answer: Answer<unknown>, status: number, code: string): ProblemDocument {
  expect({ status: answer.status, text: answer.text }).toEqual({
    status,
    text: expect.stringContaining(code),
  });
  expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json/);
  const problem = JSON.parse(answer.text) as ProblemDocument;
  expect(problem).toMatchObject({
    type: expect.any(String),
    title: expect.any(String),
    status,
    detail: expect.any(String),
    code,
    request_id: answer.headers["x-request-id"],
  });
  return problem;
}

/** Every route of the contract under its name, e.g. `messages.send`. */
export function everyRoute(): { name: string; route: Route }[] {
  return (Object.keys(contract) as (keyof Contract)[]).flatMap((noun) =>
    Object.entries(contract[noun] as RouteTable).map(([name, route]) => ({ name: `${noun}.${name}`, route })),
  );
}

/** Waits until the clock shows a later time than this: lists by time have no order within a millisecond. */
export const aMomentLater = <T extends { created_at: string }>(made: T): Promise<T> =>
  until(() => Date.now() > Date.parse(made.created_at)).then(() => made);

/** Polls until something holds, for what no event tells of; fails after `timeoutMs`. */
export async function until(holds: () => Promise<boolean> | boolean, timeoutMs = 100_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`did not come to hold within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
