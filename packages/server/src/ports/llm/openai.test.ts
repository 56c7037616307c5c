import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { manualClock } from "../../kit/clock.ts";
import type { Llm, LlmRequest } from "./llm.ts";
import { chunk, DONE, open, request, SAID, text, WHOLE } from "./openai/faults/scene.fixture.ts";
import { hostedTimers } from "./openai/watch.ts";
import { createOpenAiLlm, type OpenAiOptions } from "./openai.ts";
import { presets } from "./presets.ts";

interface Asked {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage["headers"];
  body: string;
}

type Handle = (response: ServerResponse, asked: Asked) => unknown;

const closings: (() => void)[] = [];
afterEach(() => {
  for (const close of closings.splice(0)) close();
});

/** A provider on loopback, and what it was asked. */
async function serve(handle: Handle) {
  const asked: Asked[] = [];
  const sockets: Socket[] = [];
  const server = createServer(async (incoming, response) => {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const { method, url, headers } = incoming;
    asked.push({ method, url, headers, body: Buffer.concat(parts).toString() });
    handle(response, asked.at(-1) as Asked);
  });
  server.on("connection", (socket) => sockets.push(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closings.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { asked, sockets, server, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
}

const llmAt = (baseUrl: string, more: Partial<OpenAiOptions> = {}): Llm =>
  createOpenAiLlm({
    name: "openai",
    preset: presets.openai,
    baseUrl,
    timers: hostedTimers,
    clock: manualClock(),
    ...more,
  });

async function say(llm: Llm, asked: LlmRequest = request(), signal = new AbortController().signal) {
  let said = "";
  const onText = (piece: string) => {
    said += piece;
  };
  const end = await llm.generate(asked, onText, signal);
  return { end, said };
}

/** Lets what is under way on loopback arrive. */
async function settled() {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

const json =
  (value: unknown): Handle =>
  (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(value));
  };

test("the request is the wire's: a stream with usage, the settings that were given and no others", async () => {
  const { baseUrl, asked } = await serve((response) => open(response, WHOLE).end());
  const llm = llmAt(`${baseUrl}/`, { apiKey: "sk-x" });
  await say(llm, request({ temperature: 0.5, top_p: 0.9, seed: 7, stop: ["END"], presence_penalty: 1 }));
  expect(asked[0]).toMatchObject({ method: "POST", url: "/v1/chat/completions" });
  expect(asked[0]?.headers).toMatchObject({
    authorization: "Bearer sk-x",
    "accept-encoding": "identity",
    "content-type": "application/json",
    accept: "text/event-stream",
  });
  expect(JSON.parse(asked[0]?.body ?? "")).toEqual({
    model: "m",
    messages: request().messages,
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: 100,
    temperature: 0.5,
    top_p: 0.9,
    seed: 7,
    stop: ["END"],
    presence_penalty: 1,
  });
});

test("without a key no credential is sent; one in the address is, and is never shown", async () => {
  const { baseUrl, asked } = await serve((response) => open(response, WHOLE).end());
  await say(llmAt(baseUrl));
  expect(asked[0]?.headers.authorization).toBeUndefined();
  const llm = llmAt(baseUrl.replace("//", "//ann:pa%20ss@").concat("?api-version=1"));
  await say(llm);
  expect(asked[1]?.url).toBe("/v1/chat/completions?api-version=1");
  expect(asked[1]?.headers.authorization).toBe(`Basic ${Buffer.from("ann:pa ss").toString("base64")}`);
  expect(llm.address).toBe(baseUrl);
});

test("a key that no header can carry is a clean failure that does not show it", async () => {
  const { end } = await say(llmAt("http://127.0.0.1:1/v1", { apiKey: "sk\nsecret" }));
  expect(end).toMatchObject({ kind: "failed", code: "provider_error", retryable: false });
  expect(end.kind === "failed" && end.detail).toMatch(
    /^OPENAI_API_KEY holds characters that cannot be sent to the provider at /,
  );
  expect(JSON.stringify(end)).not.toContain("secret");
});

test.each([
  ["before the answer", () => {}],
  ["after the headers", (response: ServerResponse) => open(response)],
  ["in the middle of the text", (response: ServerResponse) => open(response, text("Hello, "))],
])("an abort %s closes the provider's request at once", async (_when, handle) => {
  const arrived = Promise.withResolvers<ServerResponse>();
  const { baseUrl } = await serve((response) => {
    handle(response);
    arrived.resolve(response);
  });
  const cut = new AbortController();
  const saying = say(llmAt(baseUrl), request(), cut.signal);
  const response = await arrived.promise;
  const closed = once(response, "close");
  cut.abort();
  expect((await saying).end).toEqual({ kind: "aborted" });
  await closed;
});

test("an abort from within the reader ends the call; no more text comes", async () => {
  const { baseUrl } = await serve((response) => open(response, WHOLE).end());
  const cut = new AbortController();
  const pieces: string[] = [];
  const end = await llmAt(baseUrl).generate(
    request(),
    (piece) => {
      pieces.push(piece);
      cut.abort();
    },
    cut.signal,
  );
  expect(end).toEqual({ kind: "aborted" });
  expect(pieces).toHaveLength(1);
});

test("a signal that is aborted already asks nobody", async () => {
  const { baseUrl, asked } = await serve(() => {});
  expect((await say(llmAt(baseUrl), request(), AbortSignal.abort())).end).toEqual({ kind: "aborted" });
  expect(asked).toEqual([]);
});

test("a reply over the cap ends as length, and the provider's stream is closed", async () => {
  const closed = Promise.withResolvers<void>();
  const { baseUrl } = await serve((response) => {
    response.once("close", closed.resolve);
    open(response, text("0123456789".repeat(20)));
  });
  const { end } = await say(llmAt(baseUrl, { replyCharactersMax: 100 }));
  expect(end).toMatchObject({ kind: "completed", finishReason: "length" });
  await closed.promise;
});

test("a reader that throws ends its call as failed and closes the stream; the process goes on", async () => {
  const { baseUrl } = await serve((response) => open(response, text("Hello")));
  const end = await llmAt(baseUrl).generate(
    request(),
    () => {
      throw new Error("full");
    },
    new AbortController().signal,
  );
  expect(end).toMatchObject({ kind: "failed", code: "internal" });
});

test("a connection is used again after a whole reply", async () => {
  const { baseUrl, sockets, asked } = await serve((response) => open(response, WHOLE).end());
  const llm = llmAt(baseUrl);
  for (let i = 0; i < 3; i++) {
    expect((await say(llm)).said).toBe(SAID);
    await settled();
  }
  expect(asked).toHaveLength(3);
  expect(sockets).toHaveLength(1);
});

test("a kept connection that breaks under a call is not tried again here: it may have been received", async () => {
  let answered = 0;
  const { baseUrl, sockets } = await serve((response) => {
    answered++;
    open(response, WHOLE).end();
  });
  const llm = llmAt(baseUrl);
  await say(llm);
  await settled();
  // The server resets the connection in the very moment in which the next request is written.
  const first = sockets[0] as Socket;
  first.removeAllListeners("data");
  first.once("data", () => first.resetAndDestroy());
  expect((await say(llm)).end).toMatchObject({ code: "provider_unavailable", retryable: true });
  expect(answered).toBe(1);
  expect(sockets).toHaveLength(1);
});

test("a fresh connection that is reset is not tried again here: that is for the caller to decide", async () => {
  const { baseUrl, asked } = await serve((response) => response.socket?.resetAndDestroy());
  expect((await say(llmAt(baseUrl))).end).toMatchObject({ code: "provider_unavailable", retryable: true });
  expect(asked).toHaveLength(1);
});

test("an answer that stays open after the marker is let go of after a second", async () => {
  const clock = manualClock();
  const closed = Promise.withResolvers<void>();
  const { baseUrl } = await serve((response) => {
    response.once("close", closed.resolve);
    open(response, WHOLE);
  });
  expect((await say(llmAt(baseUrl, { clock }))).end.kind).toBe("completed");
  await clock.advance(1_000);
  await closed.promise;
});

test("many calls at once do not mix their texts", async () => {
  const { baseUrl } = await serve((response, { body }) => {
    const { model } = JSON.parse(body) as { model: string };
    open(response, text(`I am `));
    setImmediate(() => response.end(text(model) + chunk({}, "stop") + DONE));
  });
  const llm = llmAt(baseUrl);
  const names = Array.from({ length: 50 }, (_, i) => `m${i}`);
  const replies = await Promise.all(names.map((model) => say(llm, { ...request(), model })));
  expect(replies.map(({ said }) => said)).toEqual(names.map((name) => `I am ${name}`));
});

test("models lists what can chat, each once, with the window where the server or we know it", async () => {
  const { baseUrl, asked } = await serve(
    json({
      data: [
        { id: "text-embedding-3-small" },
        { id: "gpt-4o-mini" },
        { id: "whisper-1" },
        { id: "tts-1" },
        { id: "dall-e-3" },
        { id: "omni-moderation-latest" },
        { id: "gpt-4o-mini" },
        { id: "own", max_model_len: 4_096 },
        { id: "meta/llama", context_length: 8_192 },
        { id: "unknown" },
        { id: "" },
        { id: 7 },
        null,
        "x",
      ],
    }),
  );
  expect(await llmAt(baseUrl).models(1_000)).toEqual([
    { id: "gpt-4o-mini", contextTokens: 128_000 },
    { id: "own", contextTokens: 4_096 },
    { id: "meta/llama", contextTokens: 8_192 },
    { id: "unknown", contextTokens: null },
  ]);
  expect(asked.map(({ url }) => url)).toEqual(["/v1/models"]);
});

const lmStudio = (baseUrl: string, more: Partial<OpenAiOptions> = {}) =>
  llmAt(baseUrl, { name: "lmstudio", preset: presets.lmstudio, ...more });

test("LM Studio's own list tells what is loaded, with its window, and what can chat", async () => {
  const { baseUrl } = await serve((response, { url }) => {
    const data =
      url === "/api/v0/models"
        ? [
            { id: "big", type: "llm", state: "not-loaded", max_context_length: 32_768 },
            { id: "nomic", type: "embeddings", state: "loaded", max_context_length: 2_048 },
            {
              id: "gemma",
              type: "vlm",
              state: "loaded",
              max_context_length: 131_072,
              loaded_context_length: 4_096,
            },
          ]
        : [{ id: "big" }, { id: "nomic" }, { id: "gemma" }];
    json({ data })(response, {} as Asked);
  });
  expect(await lmStudio(baseUrl).models(1_000)).toEqual([
    { id: "gemma", contextTokens: 4_096 },
    { id: "big", contextTokens: 32_768 },
  ]);
});

test.each([
  ["knows no such path", json({ error: "Unexpected endpoint or method. (GET /api/v0/models)" })],
  ["breaks off there", (response: ServerResponse) => response.destroy()],
])("an LM Studio that %s is listed by the plain list", async (_how, own) => {
  const { baseUrl } = await serve((response, asked) =>
    asked.url === "/api/v0/models"
      ? own(response, asked)
      : json({ data: [{ id: "gemma" }] })(response, asked),
  );
  expect(await lmStudio(baseUrl).models(1_000)).toEqual([{ id: "gemma", contextTokens: null }]);
});

test.each([
  [
    "refuses the key",
    (response: ServerResponse) => response.writeHead(401).end(),
    "provider_error",
    /does not accept the API key/,
  ],
  [
    "wants a key and was given none",
    (response: ServerResponse) => response.writeHead(401).end(),
    "provider_error",
    /wants an API key \(HTTP 401\)\. Set OPENAI_API_KEY\.$/,
    {},
  ],
  [
    "has nothing there, as without /v1,",
    (response: ServerResponse) => response.writeHead(404).end(),
    "provider_error",
    /has no API at this address \(HTTP 404\)\. Check OPENAI_BASE_URL; most end in \/v1\.$/,
  ],
  [
    "answers with HTML",
    (response: ServerResponse) => response.end("<html>"),
    "provider_error",
    /OPENAI_BASE_URL/,
  ],
  ["breaks off", (response: ServerResponse) => response.destroy(), "provider_unavailable", /does not answer/],
])(
  "a server that %s rejects the list with a problem that says so",
  async (_how, handle, code, detail, options: Partial<OpenAiOptions> = { apiKey: "sk-x" }) => {
    const { baseUrl } = await serve(handle);
    await expect(llmAt(baseUrl, options).models(1_000)).rejects.toMatchObject({
      code,
      detail: expect.stringMatching(detail),
    });
  },
);

test("a list that does not come in time is a provider that is not there", async () => {
  const clock = manualClock();
  const arrived = Promise.withResolvers<void>();
  const { baseUrl } = await serve(() => arrived.resolve());
  const listed = lmStudio(baseUrl, { clock }).models(300);
  const rejected = expect(listed).rejects.toMatchObject({
    code: "provider_unavailable",
    detail: expect.stringMatching(/^LM Studio at http:.* does not answer .* DEFAULT_LLM_PROVIDER\.$/),
  });
  await arrived.promise;
  await clock.advance(300);
  await rejected;
});

test("roles go out as they are; a template that wants turns gets them, once told, from then on", async () => {
  const messages = [
    { role: "system", content: "S" },
    { role: "assistant", content: "Hello." },
    { role: "user", content: "Hi." },
    { role: "system", content: "Be brief." },
  ] as const;
  const refusal = { error: "Error rendering prompt with jinja template: Conversation roles must alternate" };
  const { baseUrl, asked } = await serve((response, { body }) => {
    const roles = JSON.parse(body).messages.map(({ role }: { role: string }) => role);
    const isStrict = roles.join(" ") === "system user assistant user";
    if (isStrict) open(response, WHOLE).end();
    else response.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify(refusal));
  });
  const llm = llmAt(baseUrl);
  for (let i = 0; i < 2; i++) {
    expect(await say(llm, { ...request(), messages })).toMatchObject({
      said: SAID,
      end: { kind: "completed" },
    });
  }
  expect(JSON.parse(asked[0]?.body ?? "").messages).toEqual(messages);
  expect(asked).toHaveLength(3);
});
