import type { Locator, Page } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { answering, startUpstream, type Upstream } from "../../server/test/rig/upstream.ts";
import { describeInBrowser, openScene, phone, type Scene } from "./rig.ts";

describeInBrowser("a conversation", () => {
  let scene: Scene;
  let upstream: Upstream;

  beforeAll(async () => {
    let count = 0;
    upstream = await startUpstream((call) => answering(`Answer number ${++count}.`)(call));
    scene = await openScene({ env: { ...upstream.env, MAX_MESSAGES_PER_MINUTE: "0" } });
    return () => upstream.close();
  });

  const log = (page: Page) => page.getByRole("log");
  const mine = (page: Page) => page.getByRole("article", { name: "You" });
  const replies = (page: Page) => page.getByRole("article", { name: "Tamsin Reed" });
  const isFocused = (locator: Locator) =>
    expect.poll(() => locator.evaluate((element) => element === document.activeElement)).toBe(true);
  /** The focus is on something that is there, never on nothing. */
  const hasFocus = (page: Page) =>
    expect.poll(() => page.evaluate(() => document.activeElement?.tagName)).not.toBe("BODY");

  async function begin(page: Page, text: string): Promise<string> {
    await page
      .getByRole("main")
      .getByRole("link", { name: /Tamsin Reed/ })
      .click();
    await page.getByRole("button", { name: "Start a conversation" }).click();
    await log(page).getByText("Skerry Light").waitFor();
    await page.getByRole("textbox", { name: "Write to" }).fill(text);
    await page.getByRole("button", { name: "Send" }).click();
    return answerOf(page);
  }
  async function answerOf(page: Page): Promise<string> {
    const answer = replies(page)
      .last()
      .getByText(/Answer number \d+/);
    await answer.waitFor();
    await page.getByRole("button", { name: "Stop the reply" }).waitFor({ state: "detached" });
    return answer.innerText();
  }

  test("keeps every version: another reply, back and forth, over a reload, with the focus where it was", async () => {
    const { page, context } = await scene.owner();
    const first = await begin(page, "Tell me a number.");
    const again = page.getByRole("button", { name: "Another reply" });
    await again.click();
    await log(page).getByText("Version 2 of 2").waitFor();
    const second = await answerOf(page);
    expect(second).not.toBe(first);
    await isFocused(again);

    const before = page.getByRole("button", { name: "Version before" });
    await before.click();
    await log(page).getByText(first).waitFor();
    await log(page).getByText("Version 1 of 2").waitFor();
    await isFocused(before);
    await page.reload();
    await log(page).getByText(first).waitFor();
    await page.getByRole("button", { name: "Next version" }).click();
    await log(page).getByText(second).waitFor();
    await context.close();
  });

  test("an edited message stands beside the old one, each with its own answer", async () => {
    const { page, context } = await scene.owner();
    const first = await begin(page, "The first wording.");
    await mine(page).last().hover();
    await mine(page).last().getByRole("button", { name: "Edit" }).click();
    const editor = page.getByRole("textbox", { name: "Your message" });
    await isFocused(editor);
    await editor.fill("The second wording.");
    await page.getByRole("button", { name: "Send changed" }).click();
    await mine(page).getByText("The second wording.").waitFor();
    await expect.poll(() => answerOf(page)).not.toBe(first);
    await hasFocus(page);
    await mine(page).getByText("Version 2 of 2").waitFor();
    await mine(page).getByRole("button", { name: "Version before" }).click();
    await mine(page).getByText("The first wording.").waitFor();
    await log(page).getByText(first).waitFor();
    expect(await log(page).getByText("The second wording.").count()).toBe(0);
    await context.close();
  });

  test("a deleted message leaves its place, and the focus stays in the page", async () => {
    const { page, context } = await scene.owner();
    const answer = await begin(page, "Forget this.");
    await replies(page).last().getByRole("button", { name: "Delete" }).click();
    const dialog = page.getByRole("dialog", { name: "Delete this message?" });
    await dialog.waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await isFocused(replies(page).last().getByRole("button", { name: "Delete" }));
    await replies(page).last().getByRole("button", { name: "Delete" }).click();
    await dialog.getByRole("button", { name: "Delete" }).click();
    await log(page).getByText("Deleted message").waitFor();
    expect(await log(page).getByText(answer).count()).toBe(0);
    await hasFocus(page);
    // One can go on from there.
    await log(page).getByRole("button", { name: "Another reply" }).click();
    await log(page).getByText("Deleted message").waitFor({ state: "detached" });
    await context.close();
  });

  test("what failed is done by “Try again”, and a deletion that failed keeps its question open", async () => {
    const { page, context } = await scene.owner();
    const answer = await begin(page, "Once more.");
    const isAction = /\/api\/v2\/messages\/[^/]+(\/regenerate)?$/;
    await page.route(isAction, (route) => route.abort());
    await page.getByRole("button", { name: "Another reply" }).click();
    const again = replies(page).last().getByRole("button", { name: "Try again" });
    await again.waitFor();
    await replies(page).last().getByRole("button", { name: "Delete" }).click();
    const dialog = page.getByRole("dialog", { name: "Delete this message?" });
    await dialog.getByRole("button", { name: "Delete" }).click();
    await dialog.getByRole("alert").waitFor();
    await page.unroute(isAction);
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await again.click();
    await log(page).getByText("Version 2 of 2").waitFor();
    expect(await answerOf(page)).not.toBe(answer);
    await replies(page).last().getByRole("button", { name: "Delete" }).click();
    await dialog.getByRole("button", { name: "Delete" }).click();
    await dialog.waitFor({ state: "detached" });
    await context.close();
  });

  test("the whole way can be gone by keyboard alone", async () => {
    const { page, context } = await scene.owner();
    const { keyboard } = page;
    const tabTo = async (locator: Locator) => {
      for (let steps = 0; steps < 60; steps++) {
        if (await locator.evaluate((element) => element === document.activeElement).catch(() => false))
          return;
        await keyboard.press("Tab");
      }
      throw new Error(`not reached by Tab: ${locator}`);
    };
    await tabTo(page.getByRole("link", { name: "Skip to the content" }));
    await keyboard.press("Enter");
    await tabTo(page.getByRole("main").getByRole("link", { name: /Tamsin Reed/ }));
    await keyboard.press("Enter");
    await isFocused(page.getByRole("button", { name: "Start a conversation" }));
    await keyboard.press("Enter");
    await log(page).getByText("Skerry Light").waitFor();
    await tabTo(page.getByRole("textbox", { name: "Write to Tamsin Reed" }));
    await keyboard.type("By keyboard");
    await keyboard.press("Shift+Enter");
    await keyboard.type("in two lines");
    await keyboard.press("Enter");
    const first = await answerOf(page);
    await isFocused(page.getByRole("textbox", { name: "Write to Tamsin Reed" }));
    expect(await mine(page).last().locator(".bubble").innerText()).toBe("By keyboard\nin two lines");
    await keyboard.press("Shift+Tab");
    await tabTo(page.getByRole("button", { name: "Another reply" }));
    await keyboard.press("Enter");
    await log(page).getByText("Version 2 of 2").waitFor();
    expect(await answerOf(page)).not.toBe(first);
    await tabTo(page.getByRole("button", { name: "Settings of this conversation" }));
    await keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "This conversation" });
    await dialog.waitFor();
    await tabTo(dialog.getByLabel("Name"));
    await keyboard.press("ControlOrMeta+A");
    await keyboard.type("Nights at the lamp");
    await keyboard.press("Enter");
    await page.getByRole("heading", { name: "Nights at the lamp", level: 1 }).waitFor();
    await hasFocus(page);
    await context.close();
  });

  test("a reply is read out once, when it is whole", async () => {
    const { page, context } = await scene.owner();
    await page.evaluate(() => {
      const said: string[] = [];
      Object.assign(window, { said });
      new MutationObserver(() => {
        for (const region of document.querySelectorAll("[aria-live=polite]")) {
          const text = region.textContent ?? "";
          if (text && said.at(-1) !== text) said.push(text);
        }
      }).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    const answer = await begin(page, "Say something.");
    const said = () => page.evaluate(() => (window as unknown as { said: string[] }).said);
    await expect.poll(said).toContain(`Tamsin Reed: ${answer}`);
    expect((await said()).filter((text) => text.includes("Answer"))).toHaveLength(1);
    expect(await log(page).getAttribute("aria-live")).toBe("off");
    await context.close();
  });

  test("Markdown is shown, and nothing in it runs, loads or leads astray", async () => {
    const { page, context } = await scene.owner();
    const hostile = [
      "**bold** <img src=x onerror=alert(1)> <script>alert(2)</script>",
      "![a picture](https://tracker.example/pixel.png)",
      "[good](https://example.org) [bad](javascript:alert(3)) [odd](data:text/html,x)",
    ].join("\n\n");
    upstream.onCall = answering(hostile);
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    page.on("dialog", () => asked.push("a dialog"));
    await page
      .getByRole("main")
      .getByRole("link", { name: /Tamsin Reed/ })
      .click();
    await page.getByRole("button", { name: "Start a conversation" }).click();
    await page.getByRole("textbox", { name: "Write to" }).fill("Be nasty.");
    await page.getByRole("button", { name: "Send" }).click();
    const prose = replies(page).last().locator(".prose");
    await prose.getByText("bold", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Stop the reply" }).waitFor({ state: "detached" });
    expect(await prose.locator("img, script").count()).toBe(0);
    expect(await prose.innerText()).toContain("<img src=x onerror=alert(1)>");
    const links = await prose
      .locator("a")
      .evaluateAll((all) => all.map((a) => [a.getAttribute("href"), a.getAttribute("rel")]));
    expect(links).toEqual([
      ["https://tracker.example/pixel.png", "noopener noreferrer nofollow"],
      ["https://example.org", "noopener noreferrer nofollow"],
    ]);
    expect(asked.filter((url) => !url.startsWith(scene.server.url) && !url.startsWith("blob:"))).toEqual([]);
    await context.close();
  });

  test("a conversation is renamed, archived, found again and deleted", async () => {
    const { page, context } = await scene.owner();
    upstream.onCall = answering("Answer number 0.");
    await begin(page, "One for the archive");
    const menu = page.getByRole("button", { name: "Settings of this conversation" });
    await menu.click();
    await page.getByRole("dialog").getByLabel("Name").fill("Put away");
    await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
    const entry = page.getByRole("navigation").getByRole("link", { name: /Put away/ });
    await entry.waitFor();
    await menu.click();
    await page.getByRole("dialog").getByRole("button", { name: "Archive", exact: true }).click();
    await entry.waitFor({ state: "detached" });
    await page.getByRole("button", { name: /^Archive \(/ }).click();
    await entry.waitFor();
    await menu.click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
    await page
      .getByRole("dialog", { name: "Delete this conversation?" })
      .getByRole("button", { name: "Delete" })
      .click();
    await page.getByRole("heading", { name: "Characters", level: 1 }).waitFor();
    await entry.waitFor({ state: "detached" });
    await context.close();
  });

  test("a long conversation is read from its end, and what is read stays in place while older parts come in", async () => {
    const { page, context } = await scene.owner();
    const client = scene.server.owner;
    const tamsin = (await client.characters.list()).items.find(({ name }) => name === "Tamsin Reed");
    const { id } = await client.conversations.create({
      character_ids: [tamsin?.id as string],
      title: "Long",
    });
    for (let n = 1; n <= 130; n++) {
      await client.messages.send({ conversation_id: id, content: `Note ${n}.`, reply: false });
    }
    await page.goto(`${scene.server.url}/app/chat/${id}`);
    const note = (n: number) => log(page).getByText(`Note ${n}.`, { exact: true });
    await note(130).waitFor();
    expect(await note(80).count()).toBe(0);
    const anchor = note(81);
    const before = await anchor.evaluate((element) => {
      element.scrollIntoView({ block: "center" });
      return element.getBoundingClientRect().top;
    });
    await note(60).waitFor();
    const after = await anchor.evaluate((element) => element.getBoundingClientRect().top);
    expect(Math.abs(after - before)).toBeLessThan(4);
    await page.getByRole("button", { name: "To the newest message" }).click();
    await expect
      .poll(() => note(130).evaluate((element) => element.getBoundingClientRect().bottom < innerHeight))
      .toBe(true);
    await context.close();
  });

  test("on a phone a swipe across the last reply asks for another and goes back", async () => {
    const { page, context } = await scene.owner(phone);
    let count = 0;
    upstream.onCall = (call) => answering(`Answer number ${++count}.`)(call);
    const first = await begin(page, "Swipe me.");
    const cdp = await context.newCDPSession(page);
    const swipe = async (fromX: number, toX: number) => {
      const y = (await replies(page).last().boundingBox())?.y ?? 0;
      const at = (x: number) => [{ x, y: y + 10 }];
      await cdp.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: at(fromX) });
      await cdp.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: at(toX) });
      await cdp.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
    };
    await swipe(300, 100);
    await log(page).getByText("Version 2 of 2").waitFor();
    await answerOf(page);
    await swipe(100, 300);
    await log(page).getByText("Version 1 of 2").waitFor();
    await log(page).getByText(first).waitFor();
    await context.close();
  });

  test("no error went unseen", () => expect(scene.complaints).toEqual([]));
});
