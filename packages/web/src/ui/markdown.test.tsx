import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import { Markdown, wordsOf } from "./markdown.tsx";
import { closeOpenMarks, isReadable, partsOf } from "./markdown-source.ts";

const html = (text: string) => renderToStaticMarkup(<Markdown text={text} />);

test("the marks of a reply become elements", () => {
  expect(html("*softly* **loud** `code` ~~gone~~")).toBe(
    "<p><em>softly</em> <strong>loud</strong> <code>code</code> <del>gone</del></p>",
  );
  expect(html("one\ntwo")).toBe("<p>one<br/>two</p>");
  expect(html("# Head\n\n- a\n- b\n\n3. c")).toBe(
    '<h4>Head</h4><ul><li>a</li><li>b</li></ul><ol start="3"><li>c</li></ol>',
  );
  expect(html("> said\n\n---")).toBe("<blockquote><p>said</p></blockquote><hr/>");
  expect(html("| a | b |\n|---|---|\n| 1 | 2 |")).toContain("<th>a</th>");
});

test("HTML is text, in a block and within a line", () => {
  for (const text of [
    "<script>alert(1)</script>",
    "a <img src=x onerror=alert(1)> b",
    "<a href='javascript:x'>y</a>",
  ]) {
    expect(html(text)).not.toMatch(/<(script|img|a)\b/);
    expect(html(text)).toContain("&lt;");
  }
});

test("only addresses of the web and of mail are links, and pictures are never loaded", () => {
  const odd = [
    "javascript:alert(1)",
    " JAVASCRIPT:x",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "//evil",
  ];
  for (const address of odd) expect(html(`[x](${address})`)).not.toContain("<a");
  expect(html("[x](https://example.org)")).toContain(
    'href="https://example.org" target="_blank" rel="noopener noreferrer nofollow"',
  );
  expect(html("![x](https://example.org/p.png)")).not.toContain("<img");
});

test("an unfinished reply is shown as far as it goes, at every length", () => {
  const text = "*A **nod**.* \n\n```js\nlet a = 1 < 2;\n```\n\n- [x](https://example.org)\n| a |\n|---|\n";
  for (let end = 0; end <= text.length; end++) expect(() => html(text.slice(0, end))).not.toThrow();
});

test("characters that HTML writes as entities are shown as they are meant", () => {
  expect(html("a &amp; b &lt; c")).toBe("<p>a &amp; b &lt; c</p>");
});

test("what is read out has the words without the marks", () => {
  expect(wordsOf("*A nod.*\n\n**Yes**, `so`.\n```\nlet x;\n```\n> quoted")).toBe("A nod. Yes, so. quoted");
});

/** Texts that the reader cannot take as they are: each ended a page, or held it up for seconds. */
const heavy = {
  "quotes in quotes": `${">".repeat(2_000)}a`,
  "lists in lists": "- ".repeat(2_000),
  "lists in lists, by indentation": Array.from(
    { length: 200 },
    (_, depth) => `${"  ".repeat(depth)}- a`,
  ).join("\n"),
  "numbered lists in lists": `${"1. ".repeat(2_000)}a`,
  "marks within words": "_a_".repeat(16_000),
  "marks that never close": "*a".repeat(16_000),
  "marks over quoted lines": "> _a__a__a_\n".repeat(4_000),
  "marks after numbers": `a\n${"2. _a__a__a_\n".repeat(4_000)}`,
  "marks in marks": `${"*a **b ".repeat(4_000)}c${" b** a*".repeat(4_000)}`,
  brackets: "[".repeat(40_000),
  "open links": "[a](".repeat(16_000),
  backticks: "`a".repeat(16_000),
  "one long word": "a.b-".repeat(16_000),
  "one long list": "- a\n".repeat(40_000),
};

test.each(Object.entries(heavy))("%s are shown as they were written", (_, text) => {
  expect(isReadable(text)).toBe(false);
  const shown = html(text);
  expect(shown).toMatch(/^<p class="as-written">/);
  expect(shown.match(/<p/g)).toHaveLength(1);
});

test("a text that is too much keeps nothing from the rest of its message", () => {
  expect(html(`*one*\n\n${"_a_".repeat(16_000)}\n\n*two*`)).toMatch(
    /^<p><em>one<\/em><\/p><p class="as-written">_a_.*_a_<\/p><p><em>two<\/em><\/p>$/,
  );
});

test("long texts of every usual kind are read", () => {
  const usual = [
    "word *word* **word**.\n\n".repeat(4_000),
    "- **a** b, `c`\n".repeat(500),
    `1. a\n${"2. **a** b, `c`\n".repeat(500)}`,
    `| a | b |\n|---|:-:|\n${"| **a** | `b_c_d` |\n".repeat(400)}`,
    `\`\`\`py\n${"snake_case_name[0] = __init__\n".repeat(3_000)}\`\`\``,
    `${"- ".repeat(20)}\n`,
    "word ".repeat(3_000),
  ];
  for (const text of usual) expect(partsOf(text).every(isReadable)).toBe(true);
});

test("a growing text is cut at the same places, and only after a block has ended", () => {
  const text =
    "One.\n\n- a\n\n- b\n\n  more\n\nTwo.\n\n```js\nlet a;\n\nlet b;\n```\n\nThree `x`.\n\n~~~\n```\n\n~~~\n\n> q\n\nFour.";
  const parts = partsOf(text);
  expect(parts.map((part) => part.trim())).toEqual([
    "One.\n\n- a\n\n- b\n\n  more",
    "Two.",
    "```js\nlet a;\n\nlet b;\n```",
    "Three `x`.",
    "~~~\n```\n\n~~~",
    "> q",
    "Four.",
  ]);
  for (let end = 1; end <= text.length; end++) {
    const sofar = partsOf(text.slice(0, end));
    expect(sofar.join("")).toBe(text.slice(0, end));
    expect(sofar.slice(0, -1)).toEqual(parts.slice(0, sofar.length - 1));
  }
});

test("what a growing text has opened is closed, and nothing that is closed or within code", () => {
  const closings = [
    ["*She looks", "*She looks*"],
    ["*She looks ", "*She looks*"],
    ['*She looks.* "You **must', '*She looks.* "You **must**'],
    ["***both", "***both***"],
    ["`code", "`code`"],
    ["One.\n\n*Two", "One.\n\n*Two*"],
    ["*Done.* All", "*Done.* All"],
    ["6*7 and 2 * 3", "6*7 and 2 * 3"],
    ["* item", "* item"],
    ["a *", "a *"],
    ["```\n*x", "```\n*x"],
    ["`a *b", "`a *b`"],
  ];
  for (const [text = "", closed] of closings) expect(closeOpenMarks(text)).toBe(closed);
});
