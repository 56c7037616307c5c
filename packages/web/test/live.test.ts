import type { Page } from "playwright-core";
import { beforeAll, beforeEach, expect, test } from "vitest";
import { startUpstream, type Upstream, type UpstreamCall } from "../../server/test/rig/upstream.ts";
import { describeInBrowser, openScene, phone, type Scene } from "./rig.ts";

/** Long enough that a page which scrolls or cuts would show it. */
const first = "*She counts the gaps of the horn.* ";
const rest = "One. Two. And **there**: the ferry answers.";
const whole = "She counts the gaps of the horn. One. Two. And there: the ferry answers.";

describeInBrowser("a reply in the making", () => {
  let scene: Scene;
  let upstream: Upstream;
  let calls = 0;

  beforeAll(async () => {
    upstream = await startUpstream();
    scene = await openScene({ env: upstream.env });
    return () => upstream.close();
  });

  beforeEach(() => {
    calls = upstream.calls.length;
  });

  const nextCall = (): Promise<UpstreamCall> => upstream.call(++calls);
  const log = (page: Page) => page.getByRole("log");
  const replies = (page: Page) => page.getByRole("article", { name: "Tamsin Reed" });
  const box = (page: Page) => page.getByRole("textbox", { name: "Write to Tamsin Reed" });

  async function begin(page: Page): Promise<string> {
    await page
      .getByRole("main")
      .getByRole("link", { name: /Tamsin Reed/ })
      .click();
    await page.getByRole("button", { name: "Start a conversation" }).click();
    await log(page).getByText("Skerry Light").waitFor();
    return page.url();
  }
  async function say(page: Page, text: string): Promise<void> {
    await box(page).fill(text);
    await page.getByRole("button", { name: "Send" }).click();
  }
  const isWhole = (page: Page) => replies(page).last().getByText(whole).waitFor();
  /** Exactly what is there: nothing twice, nothing lost. */
  const shown = (page: Page) => replies(page).last().locator(".prose").innerText();

  test("goes on after a reload in its midst, without gap or repetition", async () => {
    const { page, context } = await scene.owner();
    await begin(page);
    await say(page, "What is that sound?");
    const call = await nextCall();
    call.say(first);
    await log(page).getByText("She counts the gaps").waitFor();
    await page.reload();
    await log(page).getByText("She counts the gaps").waitFor();
    await page.getByRole("button", { name: "Stop the reply" }).waitFor();
    call.say(rest);
    call.finish();
    await isWhole(page);
    await page.getByRole("button", { name: "Stop the reply" }).waitFor({ state: "detached" });
    expect(await shown(page)).toBe(whole);
    await context.close();
  });

  test("is live on a desktop's two tabs and on a phone, and any of them stops it", async () => {
    const desk = await scene.owner();
    const url = await begin(desk.page);
    const tab = await desk.context.newPage();
    await tab.goto(url);
    await log(tab).getByText("Skerry Light").waitFor();
    const handheld = await scene.owner(phone);
    await handheld.page.goto(url);
    await log(handheld.page).getByText("Skerry Light").waitFor();

    await say(desk.page, "Who goes there?");
    const call = await nextCall();
    call.say(first);
    for (const page of [desk.page, tab, handheld.page]) {
      await log(page).getByText("Who goes there?").waitFor();
      await log(page).getByText("She counts the gaps").waitFor();
    }
    await handheld.page.getByRole("button", { name: "Stop the reply" }).click();
    await call.closed;
    for (const page of [desk.page, tab, handheld.page]) await log(page).getByText("Stopped here.").waitFor();

    // What is said on the phone is heard at the desk.
    await say(handheld.page, "Go on.");
    const second = await nextCall();
    second.say(first);
    second.say(rest);
    second.finish();
    for (const page of [desk.page, tab, handheld.page]) await isWhole(page);
    await handheld.context.close();
    await desk.context.close();
  });

  test("survives a kill of the server in its midst: it is made again and shown once", async () => {
    const { page, context } = await scene.owner();
    await begin(page);
    await say(page, "Hold the line.");
    const call = await nextCall();
    call.say(first);
    await log(page).getByText("She counts the gaps").waitFor();
    await scene.kill();
    await page.getByText("The server does not answer").first().waitFor();

    // What is written meanwhile waits in the browser, over a reload even, once the server is back.
    await say(page, "Still there?");
    await page.getByText("Not sent yet").waitFor();
    await scene.restart();
    const again = await nextCall();
    again.say(first);
    again.say(rest);
    again.finish();
    await replies(page).nth(1).getByText(whole).waitFor();
    expect(await replies(page).nth(1).locator(".prose").innerText()).toBe(whole);

    const answer = await nextCall();
    expect(answer.body.messages.at(-1)?.content).toBe("Still there?");
    answer.say("Always.");
    answer.finish();
    await replies(page).nth(2).getByText("Always.").waitFor();
    await page.getByText("Not sent yet").waitFor({ state: "detached" });
    expect(await log(page).getByText("Still there?").count()).toBe(1);
    await context.close();
  });

  test("what was written and not sent is there after a reload", async () => {
    const { page, context } = await scene.owner();
    await begin(page);
    await box(page).fill("a draft that is not finished");
    await page.reload();
    await log(page).getByText("Skerry Light").waitFor();
    expect(await box(page).inputValue()).toBe("a draft that is not finished");
    await context.close();
  });

  test("a conversation that moved on elsewhere is marked unread, until it is looked at", async () => {
    const desk = await scene.owner();
    const url = await begin(desk.page);
    await say(desk.page, "See you later.");
    const call = await nextCall();
    await desk.page.getByRole("link", { name: "Characters", exact: true }).click();
    const entry = desk.page.getByRole("link", { name: /See you later/ });
    await entry.getByText("Tamsin Reed is writing…").waitFor();
    call.say("Mind the third step.");
    call.finish();
    await entry.getByText("unread").waitFor();
    await entry.click();
    await log(desk.page).getByText("Mind the third step.").waitFor();
    await desk.page.getByRole("link", { name: "Characters", exact: true }).click();
    await entry.getByText("unread").waitFor({ state: "detached" });
    expect(url).toContain("/app/chat/");
    await desk.context.close();
  });

  test("a conversation whose messages come before itself is marked as read all the same", async () => {
    const { page, context } = await scene.owner();
    const url = await begin(page);
    await say(page, "See you.");
    const call = await nextCall();
    await page.getByRole("link", { name: "Characters", exact: true }).click();
    call.say("Mind the last step.");
    call.finish();
    await page
      .getByRole("link", { name: /See you/ })
      .getByText("unread")
      .waitFor();
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route(/\/api\/v2\/conversations(\/[^/]+)?(\?.*)?$/, async (route) => {
      if (route.request().method() === "GET") await released;
      await route.continue();
    });
    await page.goto(url);
    await log(page).getByText("Mind the last step.").waitFor();
    const marking = page.waitForRequest((request) => request.method() === "PATCH");
    release();
    expect((await marking).postDataJSON()).toMatchObject({ last_read_seq: 3 });
    await context.close();
  });

  test("a provider that fails says so in the conversation, and another try may succeed", async () => {
    const { page, context } = await scene.owner();
    await begin(page);
    await say(page, "Try this.");
    const refuse = (call: UpstreamCall) => {
      call.response.writeHead(400, { "content-type": "application/json" });
      call.response.end('{"error":{"message":"no such model"}}');
    };
    refuse(await nextCall());
    const trouble = replies(page).last().getByRole("alert");
    await trouble.waitFor();
    await trouble.getByRole("button", { name: "Try again" }).click();
    const call = await nextCall();
    call.say("Better now.");
    call.finish();
    await log(page).getByText("Better now.").waitFor();
    await context.close();
  });

  test("a reply that is no sensible Markdown is shown as it was written, and the page goes on", async () => {
    const { page, context } = await scene.owner();
    await begin(page);
    await say(page, "Show me depths.");
    const call = await nextCall();
    const depths = `${">".repeat(2_000)}a`;
    call.say(`*Look.*\n\n${depths}`);
    call.finish();
    await replies(page).last().getByText(depths).waitFor();
    await page.reload();
    await replies(page).last().getByText(depths).waitFor();
    await replies(page).last().locator("em", { hasText: "Look." }).waitFor();
    await context.close();
  });

  test("no error went unseen", () => expect(scene.complaints).toEqual([]));
});
