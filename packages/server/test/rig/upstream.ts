import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** One call that the server under test made to its model. */
export interface UpstreamCall {
  body: { model: string; messages: { role: string; content: string }[]; [name: string]: unknown };
  authorization: string | undefined;
  response: ServerResponse;
  /** Writes one piece of the reply. */
  say(text: string): void;
  /** Ends it as a model does: finish_reason, usage, marker. */
  finish(reason?: string): void;
  /** Writes raw bytes. */
  raw(text: string): void;
  /** Cuts the connection in the middle. */
  cut(): void;
  /** Resolves when the other side has closed the request, or it has ended. */
  closed: Promise<void>;
}

/** A real HTTP server on loopback that speaks the OpenAI wire as the test says. */
export interface Upstream {
  baseUrl: string;
  calls: UpstreamCall[];
  /** Resolves with the n-th call (from 1), now or when it comes. */
  call(n: number): Promise<UpstreamCall>;
  /** What to do with each call by itself; without it calls wait for the test. */
  onCall: ((call: UpstreamCall) => void) | null;
  env: Record<string, string>;
  close(): void;
}

/** What the person said last, as the model was told. */
export const asked = (call: UpstreamCall): string =>
  call.body.messages.findLast(({ role }) => role === "user")?.content ?? "";

/** Answers by itself: says these pieces and finishes. */
export const answering =
  (...pieces: string[]) =>
  (call: UpstreamCall) => {
    for (const piece of pieces) call.say(piece);
    call.finish();
  };

export async function startUpstream(onCall: Upstream["onCall"] = null, port = 0): Promise<Upstream> {
  const calls: UpstreamCall[] = [];
  const waiting = new Map<number, (call: UpstreamCall) => void>();
  const server = createServer((request, response) => {
    if (request.method === "GET") {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ object: "list", data: [{ id: "test-model", object: "model" }] }));
      return;
    }
    void readBody(request).then((body) => {
      const call = newCall(body, request, response);
      calls.push(call);
      waiting.get(calls.length)?.(call);
      upstream.onCall?.(call);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const upstream: Upstream = {
    baseUrl,
    calls,
    onCall,
    call: (n) =>
      calls[n - 1]
        ? Promise.resolve(calls[n - 1] as UpstreamCall)
        : new Promise((resolve) => waiting.set(n, resolve)),
    env: { DEFAULT_LLM_PROVIDER: "openai", OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: "sk-upstream-canary" },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return upstream;
}

function newCall(
  body: UpstreamCall["body"],
  request: IncomingMessage,
  response: ServerResponse,
): UpstreamCall {
  const raw = (text: string) => {
    if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(text);
  };
  const chunk = (delta: object, finishReason: string | null = null) =>
    raw(
      `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finishReason }] })}\n\n`,
    );
  return {
    body,
    authorization: request.headers.authorization,
    response,
    say: (content) => chunk({ content }),
    finish(reason = "stop") {
      chunk({}, reason);
      const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
      raw(`data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", choices: [], usage })}\n\n`);
      raw("data: [DONE]\n\n");
      response.end();
    },
    raw,
    cut: () => void request.socket.destroy(),
    closed: new Promise((resolve) => response.once("close", resolve)),
  };
}

async function readBody(request: IncomingMessage): Promise<UpstreamCall["body"]> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
}
