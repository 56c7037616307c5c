/** The least that relays a reply: the request goes on to the provider, its bytes come back. Argument: its port. */
import { Agent, request as ask } from "node:http";
import { eventStreamHeaders, serve } from "../lib/serve.ts";

const port = Number(process.argv[2]);
const agent = new Agent({ keepAlive: true });

serve((request, response) => {
  const upstream = ask(
    {
      agent,
      host: "127.0.0.1",
      port,
      method: "POST",
      path: "/v1/chat/completions",
      headers: {
        "content-type": "application/json",
        "content-length": request.headers["content-length"],
      },
    },
    (reply) => {
      response.writeHead(reply.statusCode ?? 502, eventStreamHeaders);
      reply.pipe(response);
    },
  );
  upstream.on("error", () => response.destroy());
  request.pipe(upstream);
});
