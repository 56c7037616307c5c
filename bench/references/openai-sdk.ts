/** A relay on the official openai SDK: read its stream, write a frame for each piece. Argument: the provider's port. */
import OpenAI from "openai";
import { eventStreamHeaders, readBody, serve } from "../lib/serve.ts";

const client = new OpenAI({
  apiKey: "bench",
  baseURL: `http://127.0.0.1:${process.argv[2]}/v1`,
  maxRetries: 0,
});

serve((request, response) => {
  readBody(request, async (body) => {
    const { messages } = JSON.parse(body.toString()) as { messages: [{ role: "user"; content: string }] };
    const stream = await client.chat.completions.create({ model: "bench", messages, stream: true });
    response.writeHead(200, eventStreamHeaders);
    for await (const chunk of stream) {
      const text = chunk.choices[0]?.delta.content;
      if (text) response.write(`data: ${JSON.stringify({ text })}\n\n`);
    }
    response.end("data: [DONE]\n\n");
  });
});
