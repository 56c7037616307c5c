import { beforeAll, expect, test } from "vitest";
import { answering, startUpstream, type Upstream } from "../../server/test/rig/upstream.ts";
import { describeInBrowser, desktop, openScene, phone, type Scene } from "./rig.ts";

describeInBrowser("the first visit", () => {
  let scene: Scene;
  let upstream: Upstream;

  beforeAll(async () => {
    upstream = await startUpstream(answering("*A nod.* ", "Good ", "evening."));
    scene = await openScene({ env: upstream.env });
    return () => upstream.close();
  });

  test.each([
    ["on a desktop", desktop],
    ["on a phone", phone],
  ])("from the opened link to a reply it is two more clicks, %s", async (_, device) => {
    const { page, context } = await scene.owner(device);
    expect(new URL(page.url()).hash).toBe("");
    await page
      .getByRole("main")
      .getByRole("link", { name: /Tamsin Reed/ })
      .click();
    await page.getByRole("button", { name: "Start a conversation" }).click();
    const log = page.getByRole("log");
    await log.getByText("Skerry Light, Tamsin speaking").waitFor();
    const box = page.getByRole("textbox", { name: "Write to Tamsin Reed" });
    await page.getByText("AI character", { exact: true }).waitFor();
    // With a keyboard one writes at once; on a phone none jumps up over what is to be read.
    const isPhone = device === phone;
    if (isPhone) await box.fill("Good evening!");
    else {
      await page.locator("textarea:focus").waitFor();
      await page.keyboard.type("Good evening!");
    }
    expect(await box.inputValue()).toBe("Good evening!");
    await page.getByRole("button", { name: "Send" }).click();
    await log.getByText("Good evening!").waitFor();
    await log.getByText("A nod. Good evening.").waitFor();
    await page.getByText("Tamsin Reed · AI character").waitFor();
    const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(width).toBeLessThanOrEqual(0);
    await context.close();
  });

  test.each([
    ["on a desktop", desktop],
    ["on a phone", phone],
  ])("no page can be scrolled past its end into nothing, %s", async (_, device) => {
    const { page, context } = await scene.owner(device);
    const main = page.getByRole("main");
    const beyond: string[] = [];
    const look = async (view: string) => {
      const more = await page.evaluate(() => document.documentElement.scrollHeight - innerHeight);
      if (more > 0) beyond.push(`${view}: ${more}`);
    };
    await main.getByRole("link", { name: /Tamsin Reed/ }).waitFor();
    await look("gallery");
    await main.getByRole("link", { name: /Tamsin Reed/ }).click();
    await page.getByRole("button", { name: "Start a conversation" }).waitFor();
    await look("sheet");
    await page.getByRole("button", { name: "Start a conversation" }).click();
    await page.getByRole("log").getByText("Skerry Light, Tamsin speaking").waitFor();
    await look("chat");
    await page.goto(`${scene.server.url}/app/characters/new`);
    await page.getByText("More", { exact: true }).click();
    await look("editor");
    await page.goto(`${scene.server.url}/app/settings`);
    await page.getByRole("button", { name: "Set the password" }).waitFor();
    await look("settings");
    expect(beyond).toEqual([]);
    await context.close();
  });

  test("a reload keeps one signed in, though no script can read how", async () => {
    const { page, context } = await scene.owner();
    await page.reload();
    await page.getByRole("heading", { name: "Characters", level: 1 }).waitFor();
    const readable = await page.evaluate(
      () => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage }),
    );
    const [cookie] = await context.cookies(`${scene.server.url}/api/v2/sessions`);
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Strict", path: "/api/v2/sessions" });
    expect(readable).not.toContain(cookie?.value);
    expect(await context.cookies(`${scene.server.url}/app/`)).toEqual([]);
    await context.close();
  });

  test("many tabs that begin at once, and reloads in their midst, sign nobody out", async () => {
    const { page, context } = await scene.owner();
    const tabs = await Promise.all(Array.from({ length: 4 }, () => context.newPage()));
    await Promise.all(tabs.map((tab) => tab.goto(`${scene.server.url}/app/`, { waitUntil: "commit" })));
    // A tab in the very middle of its navigation takes no reload; the others do.
    await Promise.all(tabs.map((tab) => tab.reload({ waitUntil: "commit" }).catch(() => null)));
    for (const tab of [page, ...tabs]) {
      await tab.waitForLoadState();
      await tab.reload();
      await tab.getByRole("heading", { name: "Characters", level: 1 }).waitFor();
    }
    await context.close();
  });

  test("a link that was used says so, and what to do", async () => {
    const link = await scene.link();
    const first = await scene.stranger();
    await first.page.goto(link);
    await first.page.getByRole("heading", { name: "Characters", level: 1 }).waitFor();
    const second = await scene.stranger();
    await second.page.goto(link);
    await second.page.getByText("This sign-in link was used already or has expired").waitFor();
    await second.page.getByText("npx parley sign-in-link", { exact: true }).waitFor();

    // Whoever is signed in already may go on all the same.
    await first.page.goto(link);
    await first.page.reload();
    await first.page.goto(`${scene.server.url}/app/sign-in`);
    await first.page.getByRole("heading", { name: "Characters", level: 1 }).waitFor();
    await first.context.close();
    await second.context.close();
  });

  test("an account is made, left and entered again; signing out in one tab reaches the others", async () => {
    const { page, context } = await scene.stranger();
    await page.goto(`${scene.server.url}/app/`);
    await page.getByRole("button", { name: "I have no account yet" }).click();
    await page.getByLabel("Your name").fill("Ann");
    await page.getByLabel("E-mail address").fill("ann@example.org");
    await page.getByLabel("Password").fill("correct horse");
    await page.getByRole("button", { name: "Create the account" }).click();
    await page.getByRole("heading", { name: "Characters", level: 1 }).waitFor();

    const other = await context.newPage();
    await other.goto(`${scene.server.url}/app/settings`);
    await other.getByRole("heading", { name: "Settings", level: 1 }).waitFor();
    await other.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "By account" }).waitFor();
    expect(await context.cookies(`${scene.server.url}/api/v2/sessions`)).toEqual([]);
    await other.locator("h1:focus").getByText("Parley").waitFor();
    await other.waitForURL(/\/app\/sign-in$/);

    await page.getByLabel("E-mail address").fill("ann@example.org");
    await page.getByLabel("Password").fill("wrong horse");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("The e-mail address or the password is wrong.").waitFor();
    await page.getByLabel("Password").fill("correct horse");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Characters", level: 1 }).waitFor();
    await context.close();
  });

  test("nothing on the way was refused by the page's own policy, and no error went unseen", () => {
    expect(scene.complaints).toEqual([]);
  });
});
