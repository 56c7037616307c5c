import { afterAll, beforeAll, expect, test } from "vitest";
import { type Server, startServer } from "../rig/server.ts";
import { call, manyAddresses, newConversation, newPerson } from "./helpers.ts";

let server: Server;
beforeAll(async () => {
  server = await startServer({ env: { ...manyAddresses, OPENAI_BASE_URL: "http://127.0.0.1:9/v1" } });
});
afterAll(async () => {
  await server?.kill();
});

test("the owner reads where the provider is and what to set; guests read neither, in turns and in the list of models", async () => {
  const guest = await newPerson(server);
  const told = async (client: typeof guest.client, token?: string) => {
    const { id } = await newConversation(client);
    const { turn } = await client.messages.send({ conversation_id: id, content: "Hi." });
    let detail = "";
    for await (const event of client.events(turn?.id as string)) {
      if (event.type === "turn.failed") detail = event.problem.detail ?? "";
    }
    const models = await call(server, "GET", "/api/v2/models", token ? { token } : {});
    return [detail, models.text];
  };
  const [ofTurn, ofModels] = await told(guest.client, guest.token);
  for (const text of [ofTurn, ofModels]) {
    expect(text).toContain("whoever runs this server");
    expect(text).not.toMatch(/127\.0\.0\.1|OPENAI_BASE_URL|DEFAULT_LLM_PROVIDER/);
  }
  expect((await told(server.owner))[0]).toContain("127.0.0.1:9");
});
