import { rmSync } from "node:fs";
import { test as base } from "vitest";
import { type Server, type ServerOptions, startServer } from "../rig/server.ts";
import { startUpstream, type Upstream } from "../rig/upstream.ts";

export { asked } from "../rig/upstream.ts";

/** What a journey may start; all of it is ended with the test. */
export interface Rig {
  start(options?: ServerOptions): Promise<Server>;
  /** On a free port, or on this one. */
  upstream(onCall?: Upstream["onCall"], port?: number): Promise<Upstream>;
}

const withRig = base.extend<{ rig: Rig }>({
  // biome-ignore lint/correctness/noEmptyPattern: the runner reads the pattern for what a fixture uses
  rig: async ({}, use) => {
    const servers: Server[] = [];
    const upstreams: Upstream[] = [];
    await use({
      async start(options) {
        const server = await startServer(options);
        servers.push(server);
        return server;
      },
      async upstream(onCall, port) {
        const upstream = await startUpstream(onCall, port);
        upstreams.push(upstream);
        return upstream;
      },
    });
    for (const upstream of upstreams) upstream.close();
    await Promise.all(servers.map((server) => server.kill()));
    for (const { dataDir } of servers) rmSync(dataDir, { recursive: true, force: true });
  },
});

/** A test that starts real servers; those of a file run side by side, for they mostly wait. */
export const journey = withRig.concurrent;

/** The same with nothing of its file beside it: where real time decides. */
export const journeyAlone = withRig;

/** A text with everything that is more than one code unit or byte somewhere. */
export const RICH_TEXT =
  "Ah — “ça va”, 你好, 👩‍👩‍👧‍👦 and 🇩🇪, e\u0301, \u{1f600}\u{10ffff}.\r\n\n\tdata: no event\u2028end";
