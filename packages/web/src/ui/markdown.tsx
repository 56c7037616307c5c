import { Marked, type Token, type Tokens } from "marked";
import { createElement, Fragment, memo, type ReactNode } from "react";
import { strings } from "../strings.ts";
import { closeOpenMarks, isReadable, partsOf } from "./markdown-source.ts";

const reader = new Marked({ gfm: true, breaks: true });
const SAFE_ADDRESS = /^(https?:|mailto:)/i;
const ENTITIES: Record<string, string> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  "#39": "'",
  nbsp: "\u00a0",
};

/**
 * A reply's Markdown as elements of the page. No HTML is ever made of it, so there is nothing to clean: what
 * looks like HTML is shown as text, and a picture is a link to it, for loading it would tell others who reads.
 */
export const Markdown = memo(({ text, isGrowing = false }: { text: string; isGrowing?: boolean }) => (
  <>
    {partsOf(text).map((part, index, parts) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: a part keeps its place while the text grows
      <Part key={index} text={isGrowing && index === parts.length - 1 ? closeOpenMarks(part) : part} />
    ))}
  </>
));

/** A part is read once, and anew only while it grows. */
const Part = memo(({ text }: { text: string }) => {
  const tokens = read(text);
  if (!tokens) return <p className="as-written">{text.trim()}</p>;
  return tokens.map((token, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: a block keeps its place while the text grows
    <Block key={index} token={token} />
  ));
});

/** Null where a text is shown as it was written: one odd message must not take the page with it. */
function read(text: string): readonly Token[] | null {
  if (!isReadable(text)) return null;
  try {
    return reader.lexer(text);
  } catch {
    return null;
  }
}

/** A block is drawn anew only when its source has changed: all but the last stay as they are in a stream. */
const Block = memo(
  ({ token }: { token: Token }) => <>{render(token)}</>,
  (before, after) => before.token.raw === after.token.raw,
);

const all = (tokens: readonly Token[] | undefined): ReactNode =>
  tokens?.map((token, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: tokens have no other name than their place
    <Fragment key={index}>{render(token)}</Fragment>
  ));

const plain = (text: string) =>
  text.replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (_, name: string) => ENTITIES[name] ?? "");

const renderers: Record<string, (token: never) => ReactNode> = {
  space: () => null,
  def: () => null,
  br: () => <br />,
  hr: () => <hr />,
  paragraph: ({ tokens }: Tokens.Paragraph) => <p>{all(tokens)}</p>,
  // The page has headings of its own above; those of a reply come below them.
  heading: ({ depth, tokens }: Tokens.Heading) =>
    createElement(`h${Math.min(6, depth + 3)}`, null, all(tokens)),
  blockquote: ({ tokens }: Tokens.Blockquote) => <blockquote>{all(tokens)}</blockquote>,
  list: ({ ordered, start, items }: Tokens.List) =>
    ordered ? <ol start={Number(start) || 1}>{all(items)}</ol> : <ul>{all(items)}</ul>,
  list_item: ({ tokens, task, checked }: Tokens.ListItem) => (
    <li>
      {task && (checked ? "☑ " : "☐ ")}
      {all(tokens)}
    </li>
  ),
  checkbox: () => null,
  code: ({ text }: Tokens.Code) => (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: long lines scroll, by keyboard too
    <pre tabIndex={0}>
      <code>{text}</code>
    </pre>
  ),
  codespan: ({ text }: Tokens.Codespan) => <code>{plain(text)}</code>,
  strong: ({ tokens }: Tokens.Strong) => <strong>{all(tokens)}</strong>,
  em: ({ tokens }: Tokens.Em) => <em>{all(tokens)}</em>,
  del: ({ tokens }: Tokens.Del) => <del>{all(tokens)}</del>,
  text: (token: Tokens.Text) => (token.tokens ? all(token.tokens) : plain(token.text)),
  escape: ({ text }: Tokens.Escape) => plain(text),
  link: ({ href, tokens }: Tokens.Link) => <SafeLink href={href}>{all(tokens)}</SafeLink>,
  image: ({ href, text }: Tokens.Image) => (
    <SafeLink href={href}>{strings.pictureLink(plain(text))}</SafeLink>
  ),
  table: ({ header, rows }: Tokens.Table) => <Table header={header} rows={rows} />,
};

function render(token: Token): ReactNode {
  const renderer = renderers[token.type];
  return renderer ? renderer(token as never) : token.raw;
}

const SafeLink = ({ href, children }: { href: string; children: ReactNode }) =>
  SAFE_ADDRESS.test(href.trim()) ? (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  ) : (
    children
  );

const Table = ({ header, rows }: Pick<Tokens.Table, "header" | "rows">) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: wide tables scroll, by keyboard too
  <div className="wide" tabIndex={0}>
    <table>
      <thead>
        <tr>
          {header.map((cell, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: cells have no other name than their place
            <th key={index}>{all(cell.tokens)}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: rows have no other name than their place
          <tr key={index}>
            {row.map((cell, column) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: cells have no other name than their place
              <td key={column}>{all(cell.tokens)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);

/** The words of a text without its marks, for what is read out. */
export const wordsOf = (text: string): string =>
  text
    .replace(/```[\s\S]*?(```|$)/g, "")
    .replace(/[*_~`#>]+/g, "")
    .replace(/\s+/g, " ")
    .trim();
