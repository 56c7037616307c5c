import { readFileSync } from "node:fs";
import type { Locator, Page } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { cardPng } from "../../server/test/cards/make-png.ts";
import { answering, startUpstream, type Upstream } from "../../server/test/rig/upstream.ts";
import { describeInBrowser, openScene, type Scene } from "./rig.ts";

const card = {
  spec: "chara_card_v2",
  spec_version: "2.0",
  data: {
    name: "Mirela",
    description: "A cartographer of places that moved.",
    personality: "",
    scenario: "",
    first_mes: "*She unrolls a map that is still wet.* Where did you lose it?",
    mes_example: "",
    creator_notes: "Maps and small mysteries.",
    system_prompt: "",
    post_history_instructions: "",
    alternate_greetings: [],
    tags: ["maps"],
    creator: "someone else",
    character_version: "1",
    extensions: {},
  },
};

/** An uncompressed picture, black: what no card comes in. */
function bitmap(width: number, height: number): Buffer {
  const size = 54 + height * Math.ceil((width * 3) / 4) * 4;
  const bytes = Buffer.alloc(size);
  bytes.write("BM");
  bytes.writeUInt32LE(size, 2);
  bytes.writeUInt32LE(54, 10);
  bytes.writeUInt32LE(40, 14);
  bytes.writeInt32LE(width, 18);
  bytes.writeInt32LE(height, 22);
  bytes.writeUInt16LE(1, 26);
  bytes.writeUInt16LE(24, 28);
  return bytes;
}

/** Drops files onto the page, as a person does from a folder. */
async function drop(page: Page, files: { name: string; type: string; bytes: Buffer }[]): Promise<void> {
  const transfer = await page.evaluateHandle(
    (all) => {
      const transfer = new DataTransfer();
      for (const { name, type, base64 } of all) {
        const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type }));
      }
      return transfer;
    },
    files.map(({ name, type, bytes }) => ({ name, type, base64: bytes.toString("base64") })),
  );
  await page.dispatchEvent("body", "dragover", { dataTransfer: transfer });
  await page.getByText("Drop the card to import it").waitFor();
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
}

const hasFocus = (locator: Locator) =>
  expect.poll(() => locator.evaluate((element) => element === document.activeElement)).toBe(true);

describeInBrowser("what is one's own", () => {
  let scene: Scene;
  let upstream: Upstream;

  beforeAll(async () => {
    upstream = await startUpstream(answering("In the bay, I think."));
    scene = await openScene({ env: upstream.env });
    return () => upstream.close();
  });

  test("a card that another tool made is dropped, seen with its picture, and talked with", async () => {
    const { page, context } = await scene.owner();
    const sizes: (string | null)[] = [];
    page.on("request", (request) => {
      const { pathname, searchParams } = new URL(request.url());
      if (pathname.endsWith("/avatar")) sizes.push(searchParams.get("size"));
    });
    await page.reload();
    await page.getByRole("main").getByRole("link").locator("img").first().waitFor();
    // In the gallery small ones, and only of who is looked at closely the whole one.
    await expect.poll(() => new Set(sizes)).toEqual(new Set(["thumb"]));
    await drop(page, [{ name: "mirela.png", type: "image/png", bytes: cardPng(card) }]);
    const sheet = page.getByRole("dialog", { name: "Mirela" });
    await sheet.getByText("Maps and small mysteries.").waitFor();
    await sheet.locator("img").waitFor();
    await expect.poll(() => sizes.filter((size) => size !== "thumb")).toHaveLength(1);
    await sheet.getByRole("button", { name: "Start a conversation" }).click();
    await page.getByRole("log").getByText("Where did you lose it?").waitFor();
    await page.getByRole("textbox", { name: "Write to Mirela" }).fill("My harbour is gone.");
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByRole("log").getByText("In the bay, I think.").waitFor();
    await context.close();
  });

  test("a card whose greeting is no sensible Markdown is shown as it was written", async () => {
    const { page, context } = await scene.owner();
    const first_mes = "- ".repeat(2_000);
    const data = { ...card.data, name: "Ovid", first_mes };
    const bytes = Buffer.from(JSON.stringify({ ...card, data }));
    await drop(page, [{ name: "ovid.json", type: "application/json", bytes }]);
    const sheet = page.getByRole("dialog", { name: "Ovid" });
    await sheet.getByText(first_mes.trim()).waitFor();
    await context.close();
  });

  test("a file that is no card gets a sentence that says why, and the one beside it still comes in", async () => {
    const { page, context } = await scene.owner();
    await drop(page, [
      { name: "notes.json", type: "application/json", bytes: Buffer.from('{"a": ') },
      {
        name: "ilse.json",
        type: "application/json",
        bytes: Buffer.from(JSON.stringify({ ...card, data: { ...card.data, name: "Ilse" } })),
      },
    ]);
    await page.getByText("Ilse is here.").first().waitFor();
    await page
      .getByText(/^notes\.json: ./)
      .first()
      .waitFor();
    await page.getByRole("main").getByRole("link", { name: /Ilse/ }).waitFor();
    await context.close();
  });

  test("a file of another kind gets a sentence that says what cards are", async () => {
    const { page, context } = await scene.owner();
    await drop(page, [{ name: "x.txt", type: "text/plain", bytes: Buffer.from("Once upon a time") }]);
    await page.getByText("x.txt: A card is a PNG picture or a JSON file.").first().waitFor();
    await context.close();
  });

  test("only greetings with words in them are offered, and without any the page says how to begin", async () => {
    const { page, context } = await scene.owner();
    const data = { ...card.data, name: "Sel", first_mes: "", alternate_greetings: ["  ", "By the well."] };
    const bytes = Buffer.from(JSON.stringify({ ...card, data }));
    await drop(page, [{ name: "sel.json", type: "application/json", bytes }]);
    const sheet = page.getByRole("dialog", { name: "Sel" });
    const begins = sheet.getByLabel("Begins with");
    await begins.waitFor();
    expect(await begins.locator("option").allInnerTexts()).toEqual(["Greeting 1", "Greeting 3"]);
    await sheet.getByRole("button", { name: "Start a conversation" }).click();
    await page.getByRole("log").getByText("Say something to begin.").waitFor();
    await page.getByRole("link", { name: "Characters", exact: true }).click();
    await page.getByRole("main").getByRole("link", { name: /Sel/ }).click();
    await begins.selectOption("Greeting 3");
    await sheet.getByText("By the well.").waitFor();
    await sheet.getByRole("button", { name: "Start a conversation" }).click();
    await page.getByRole("log").getByText("By the well.").waitFor();
    expect(await page.getByText("Say something to begin.").count()).toBe(0);
    await context.close();
  });

  test("a new character whose picture failed says that it is saved, and goes on as that one", async () => {
    const { page, context } = await scene.owner();
    const avatars = /\/api\/v2\/characters\/[^/]+\/avatar/;
    const choose = page.getByRole("button", { name: "Choose a picture", exact: true });
    await page.getByRole("link", { name: "New character" }).click();
    await page.getByLabel("Name", { exact: true }).fill("Wilm");
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="9" height="9"/></svg>';
    const file = { name: "wilm.svg", mimeType: "image/svg+xml", buffer: Buffer.from(svg) };
    await page.getByLabel("Choose a picture", { exact: true }).setInputFiles(file);
    await page.getByRole("button", { name: "Take it away" }).click();
    await hasFocus(choose);
    await page.getByText("The picture is taken away").waitFor({ state: "attached" });
    await page.getByLabel("Choose a picture", { exact: true }).setInputFiles(file);
    await page.getByRole("button", { name: "Choose another" }).waitFor();

    await page.route(avatars, (route) => route.abort());
    await page.getByRole("button", { name: "Create the character" }).click();
    await page.getByText("The character is saved, but its picture is not yet.").waitFor();
    const save = page.getByRole("button", { name: "Save", exact: true });
    await hasFocus(save);
    const { hash, pathname } = new URL(
      (await page.getByRole("link", { name: "Cancel" }).getAttribute("href")) ?? "",
      page.url(),
    );
    expect(pathname + hash).toMatch(/characters\/[0-9a-f-]+$/);

    await page.unroute(avatars);
    await save.click();
    const picture = page.getByRole("dialog", { name: "Wilm" }).locator("img");
    // It has its place before it is loaded.
    await expect.poll(() => picture.evaluate((img) => (img as HTMLImageElement).naturalWidth)).toBe(40);
    await page.getByRole("button", { name: "Close" }).click();
    expect(await page.getByRole("main").getByRole("link", { name: /Wilm/ }).count()).toBe(1);
    await context.close();
  });

  test("a button that is at work keeps the focus, and does nothing a second time", async () => {
    const { page, context } = await scene.owner();
    await page.goto(`${scene.server.url}/app/settings`);
    let letGo = () => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    let sent = 0;
    await page.route(/\/api\/v2\/users\/me$/, async (route) => {
      if (route.request().method() !== "PATCH") return route.continue();
      sent++;
      await held;
      return route.abort();
    });
    const save = page.getByRole("button", { name: "Save" });
    await page.getByLabel("Display name").fill("Robin");
    await save.focus();
    await page.keyboard.press("Enter");
    await page.locator("button[aria-disabled=true]").getByText("Save").waitFor();
    await hasFocus(save);
    await page.keyboard.press("Enter");
    await page.getByLabel("Display name").press("Enter");
    await save.focus();
    letGo();
    await page.locator("button[aria-disabled=true]").waitFor({ state: "detached" });
    await page.getByRole("alert").waitFor();
    await hasFocus(save);
    expect(sent).toBe(1);
    await context.close();
  });

  test("where a button goes away, the focus stays near its place", async () => {
    const { page, context } = await scene.owner();
    await page.getByRole("link", { name: "New character" }).click();
    await page.getByLabel("Description").fill("Half a thought.");
    await page.reload();
    const discard = page.getByRole("button", { name: "Discard it" });
    await discard.focus();
    await page.keyboard.press("Enter");
    await discard.waitFor({ state: "detached" });
    await hasFocus(page.getByRole("main"));
    await context.close();
  });

  test("a character is made, changed, exported and deleted", async () => {
    const { page, context } = await scene.owner();
    await page.getByRole("link", { name: "New character" }).click();
    await page.getByLabel("Name", { exact: true }).fill("Old Bram");
    await page.getByLabel("Description").fill("Keeps the ferry.");
    await page.getByLabel("Tags").fill("river, calm, river");
    const choose = page.getByLabel("Choose a picture", { exact: true });
    await choose.setInputFiles({
      name: "notes.png",
      mimeType: "image/png",
      buffer: Buffer.from("no picture"),
    });
    await page.getByText("This browser cannot show that file").last().waitFor();
    await choose.setInputFiles({ name: "photo.bmp", mimeType: "image/bmp", buffer: bitmap(2_000, 100) });
    await page.getByRole("button", { name: "Choose another" }).waitFor();
    await page.getByRole("button", { name: "Create the character" }).click();
    const sheet = page.getByRole("dialog", { name: "Old Bram", exact: true });
    await sheet.getByText("calm").waitFor();
    const shown = sheet.locator("img");
    const size = () =>
      shown.evaluate((img) => {
        const { naturalWidth, naturalHeight } = img as HTMLImageElement;
        return [naturalWidth, naturalHeight];
      });
    await expect.poll(size).toEqual([1_024, 51]);

    await sheet.getByRole("link", { name: "Edit" }).click();
    await page.getByRole("button", { name: "Take it away" }).click();
    await page.getByLabel("Greeting", { exact: true }).fill("Mind the gap, {{user}}.");
    await page.getByRole("button", { name: "Add a greeting" }).click();
    await page.getByLabel("Greeting 2", { exact: true }).fill("You again.");
    await page.getByRole("button", { name: "Save" }).click();
    await sheet.getByText("Mind the gap, User.").waitFor();
    expect(await sheet.locator("img").count()).toBe(0);
    await sheet.getByLabel("Begins with").selectOption("Greeting 2");
    await sheet.getByText("You again.").waitFor();

    const downloading = page.waitForEvent("download");
    await sheet.getByRole("button", { name: "Export as JSON" }).click();
    const file = await downloading;
    expect(file.suggestedFilename()).toBe("Old Bram.json");
    const exported = JSON.parse(readFileSync(await file.path(), "utf8"));
    expect(exported.data).toMatchObject({ name: "Old Bram", alternate_greetings: ["You again."] });

    await sheet.getByRole("button", { name: "Delete" }).click();
    await page
      .getByRole("dialog", { name: "Delete Old Bram?" })
      .getByRole("button", { name: "Delete" })
      .click();
    await sheet.waitFor({ state: "detached" });
    await page
      .getByRole("main")
      .getByRole("link", { name: /Old Bram/ })
      .waitFor({ state: "detached" });
    await context.close();
  });

  test("what was typed into the editor outlives leaving it, until it is saved, discarded or cancelled", async () => {
    const { page, context } = await scene.owner();
    const leave = () => page.getByRole("navigation").getByRole("link", { name: "Characters" }).click();
    const description = page.getByLabel("Description");
    const enter = async () => {
      await page.getByRole("link", { name: "New character" }).click();
      await description.waitFor();
    };
    const notice = page.getByText("not saved yet");
    await enter();
    expect(await notice.count()).toBe(0);
    await description.fill("Mends nets.");
    await page.getByText("More", { exact: true }).click();
    await page.getByRole("button", { name: "Add a greeting" }).click();
    await page.getByLabel("Greeting 2", { exact: true }).fill("You again.");
    await leave();
    await enter();
    await notice.waitFor();
    expect(await description.inputValue()).toBe("Mends nets.");
    await page.getByText("More", { exact: true }).click();
    expect(await page.getByLabel("Greeting 2", { exact: true }).inputValue()).toBe("You again.");
    await page.reload();
    await notice.waitFor();
    await page.getByRole("button", { name: "Discard it" }).click();
    await notice.waitFor({ state: "detached" });
    expect(await description.inputValue()).toBe("");

    await description.fill("Mends sails.");
    await page.getByRole("link", { name: "Cancel" }).click();
    await enter();
    expect(await description.inputValue()).toBe("");

    await page.getByLabel("Name", { exact: true }).fill("Netta");
    await page.getByRole("button", { name: "Create the character" }).click();
    await page.getByRole("dialog", { name: "Netta" }).getByRole("link", { name: "Edit" }).click();
    await description.waitFor();
    expect(await notice.count()).toBe(0);
    await description.fill("Mends kites.");
    await leave();
    await page.getByRole("main").getByRole("link", { name: /Netta/ }).click();
    await page.getByRole("dialog", { name: "Netta" }).getByRole("link", { name: "Edit" }).click();
    await notice.waitFor();
    expect(await description.inputValue()).toBe("Mends kites.");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("dialog", { name: "Netta" }).getByRole("link", { name: "Edit" }).click();
    await description.waitFor();
    expect(await notice.count()).toBe(0);
    await context.close();
  });

  test("settings: a name, a look that stays, a key that is shown once and dies at once", async () => {
    const { page, context } = await scene.owner();
    await page.goto(`${scene.server.url}/app/settings`);
    await page.getByLabel("Display name").fill("Robin");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("navigation").getByText("Robin").waitFor();

    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await paper();
    await page.getByLabel("Dark").check();
    await expect.poll(paper).not.toBe(light);
    const dark = await paper();
    await page.reload();
    await page.getByRole("navigation").getByText("Robin").waitFor();
    await expect.poll(paper).toBe(dark);
    await page.getByLabel("Light").check();
    await expect.poll(paper).toBe(light);

    await page.getByLabel("Name of a new key").fill("my game");
    await page.getByRole("button", { name: "Create a key" }).click();
    const key = await page.locator(".secret code").innerText();
    const status = async () => {
      const answer = await fetch(`${scene.server.url}/api/v2/users/me`, { headers: { "x-api-key": key } });
      await answer.body?.cancel();
      return answer.status;
    };
    expect(await status()).toBe(200);
    await page.reload();
    await page.getByRole("button", { name: "Revoke “my game”" }).click();
    expect(await page.getByText(key).count()).toBe(0);
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    expect(await status()).toBe(401);
    await context.close();
  });

  test("model and temperature of a conversation reach the model, and its defaults begin with those chosen", async () => {
    const { page, context } = await scene.owner();
    await page.goto(`${scene.server.url}/app/settings`);
    await page.getByLabel(/^Temperature/).fill("1.5");
    await page.getByRole("link", { name: "Characters", exact: true }).click();
    await page
      .getByRole("main")
      .getByRole("link", { name: /Tamsin Reed/ })
      .click();
    await page.getByRole("button", { name: "Start a conversation" }).click();
    await page.getByRole("button", { name: "Settings of this conversation" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Temperature: 1.5").waitFor();
    await dialog.getByLabel("Model").selectOption("test-model");
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.waitFor({ state: "detached" });
    const count = upstream.calls.length;
    await page.getByRole("textbox", { name: "Write to" }).fill("Hello");
    await page.getByRole("button", { name: "Send" }).click();
    expect((await upstream.call(count + 1)).body).toMatchObject({ temperature: 1.5, model: "test-model" });
    await context.close();
  });

  test("no error went unseen", () => expect(scene.complaints).toEqual([]));
});
