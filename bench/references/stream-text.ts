/** A relay on the AI SDK's `streamText`: read its text, write a frame for each piece. Argument: the provider's port. */
import { createOpenAI } from "@ai-sdk/openai";
import { streamText } from "ai";
import { eventStreamHeaders, readBody, serve } from "../lib/serve.ts";

const provider = createOpenAI({ apiKey: "bench", baseURL: `http://127.0.0.1:${process.argv[2]}/v1` });

serve((request, response) => {
  readBody(request, async (body) => {
    const { messages } = JSON.parse(body.toString()) as { messages: [{ role: "user"; content: string }] };
    const { textStream } = streamText({ model: provider.chat("bench"), messages, maxRetries: 0 });
    response.writeHead(200, eventStreamHeaders);
    for await (const text of textStream) response.write(`data: ${JSON.stringify({ text })}\n\n`);
    response.end("data: [DONE]\n\n");
  });
});
