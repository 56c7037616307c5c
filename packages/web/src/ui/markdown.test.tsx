import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import { Markdown, wordsOf } from "./markdown.tsx";

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
