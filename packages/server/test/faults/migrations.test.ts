import { expect } from "vitest";
import { newDataDir, runParley } from "../rig/server.ts";
import { answering } from "../rig/upstream.ts";
import { journey } from "./journey.ts";
import { newConversation, outcome } from "./scene.ts";

const STEPS_MAX = 50;

journey(
  "after kill -9 inside any step of a migration (k20) the next start brings the data up to date",
  async ({ rig }) => {
    const upstream = await rig.upstream(answering("Here."));
    for (let step = 1; ; step++) {
      expect(step).toBeLessThan(STEPS_MAX);
      const dataDir = newDataDir();
      const failpoint = ["--failpoint", `k20:kill@${step}`];
      // A command that opens the folder and ends: it dies in its step, or there is no such step any more.
      const { code } = await runParley(["sign-in-link", ...failpoint], { dataDir, env: upstream.env });
      if (code === 0) {
        expect(step).toBeGreaterThan(2);
        return;
      }
      expect(code).toBe("SIGKILL");
      const server = await rig.start({ dataDir, env: upstream.env });
      const { id } = await newConversation(server.owner);
      const { turn } = await server.owner.messages.send({ conversation_id: id, content: "Are you there?" });
      expect((await outcome(server.owner, turn?.id as string)).status).toBe("completed");
      await server.kill();
    }
  },
);
