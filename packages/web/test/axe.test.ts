import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { answering, startUpstream, type Upstream } from "../../server/test/rig/upstream.ts";
import { describeInBrowser, desktop, openScene, phone, type Scene } from "./rig.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

describeInBrowser("accessibility by axe", () => {
  let scene: Scene;
  let upstream: Upstream;

  beforeAll(async () => {
    upstream = await startUpstream(
      answering("*A nod.*\n\n- one\n- two\n\n```\ncode\n```\n\n[a link](https://example.org)"),
    );
    scene = await openScene({ env: upstream.env });
    return () => upstream.close();
  });

  /** Every finding that is serious or critical, as `rule: selector`, in the light and in the dark. */
  async function findings(page: Page, view: string): Promise<string[]> {
    const found: string[] = [];
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      const results: AxeResults = await page.evaluate(
        (rules) =>
          (window as unknown as { axe: { run(options: object): Promise<AxeResults> } }).axe.run({
            runOnly: { type: "tag", values: rules },
          }),
        RULES,
      );
      for (const { id, impact, nodes } of results.violations) {
        if (impact !== "serious" && impact !== "critical") continue;
        for (const { target } of nodes) found.push(`${view}, ${colorScheme}: ${id}: ${target.join(" ")}`);
      }
    }
    return found;
  }

  test.each([
    ["desktop", desktop],
    ["phone", phone],
  ])(
    "no view has a serious or critical finding, in the light and in the dark, on a %s",
    async (_, device) => {
      const found: string[] = [];
      // The policy of the page keeps out the tool as well, so these pages are opened without it.
      const { page, context } = await scene.stranger({ ...device, bypassCSP: true });
      await context.addInitScript(axe);
      const look = async (view: string) => found.push(...(await findings(page, view)));

      await page.goto(`${scene.server.url}/app/sign-in#code=wrong`);
      await page.getByText("This sign-in link was used already").waitFor();
      await look("sign-in");
      await page.goto(await scene.link());
      await page
        .getByRole("main")
        .getByRole("link", { name: /Tamsin Reed/ })
        .waitFor();
      await look("gallery");
      await page
        .getByRole("main")
        .getByRole("link", { name: /Tamsin Reed/ })
        .click();
      await page.getByRole("button", { name: "Start a conversation" }).waitFor();
      await look("character");
      await page.getByRole("button", { name: "Start a conversation" }).click();
      await page.getByRole("textbox").fill("Hello");
      await page.getByRole("button", { name: "Send" }).click();
      await page.getByRole("log").getByText("A nod.").waitFor();
      await page.getByRole("button", { name: "Another reply" }).click();
      await page.getByText("Version 2 of 2").waitFor();
      await look("chat");
      await page.getByRole("button", { name: "Settings of this conversation" }).click();
      await page.getByRole("dialog").waitFor();
      await look("conversation");
      await page.goto(`${scene.server.url}/app/settings`);
      await page.getByRole("heading", { name: "API keys" }).waitFor();
      await look("settings");
      await page.goto(`${scene.server.url}/app/characters/new`);
      await page.getByLabel("Personality").waitFor();
      await look("editor");
      expect(found).toEqual([]);
      await context.close();
    },
  );
});
