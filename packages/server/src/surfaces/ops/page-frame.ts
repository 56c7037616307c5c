/** A page of the reference: navigation beside the text, dark and light, no script. */
export function page({ title, nav, main }: { title: string; nav: string; main: string }): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the text</a>
${nav && `<nav aria-label="Contents">${nav}</nav>`}
<main id="main">${main}</main>
</body>
</html>
`;
}

const STYLE = `
:root { --ink: #22201d; --soft: #6a645c; --line: #e2ddd5; --paper: #fbf9f6; --card: #fff; --accent: #9a3d1f; --mark: #f6e3d8;
  --get: #1d6b4f; --post: #1f5aa8; --patch: #8a5a00; --delete: #a8322a; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #ece7e0; --soft: #a79f94; --line: #37322c; --paper: #191714; --card: #211e1a;
  --accent: #f0a483; --mark: #44291c; --get: #6fd1a7; --post: #8dbcff; --patch: #e8bd63; --delete: #ff9a90; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; display: flex; font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; top: 1rem; background: var(--card); padding: .5rem 1rem; z-index: 1; }
nav { position: sticky; top: 0; align-self: start; flex: 0 0 20rem; height: 100vh; overflow: auto; padding: 1.5rem 1rem;
  border-right: 1px solid var(--line); font-size: .84rem; }
nav h2 { margin: 1.2rem 0 .3rem; font-size: .78rem; letter-spacing: .06em; text-transform: uppercase; color: var(--soft); }
nav section:first-child h2 { margin-top: 0; } nav h2 a { color: inherit; }
nav ul { list-style: none; margin: 0; padding: 0; } nav li a { display: flex; gap: .5rem; align-items: baseline; padding: .12rem 0; color: var(--ink); }
nav li span { overflow-wrap: anywhere; }
main { flex: 1; min-width: 0; max-width: 58rem; padding: 2rem clamp(1rem, 4vw, 3rem) 6rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; } h1 small { color: var(--soft); font-weight: 400; font-size: 1rem; }
main > h2 { margin: 3rem 0 1rem; font-size: 1.35rem; text-transform: capitalize; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.1rem 1.3rem; margin: 0 0 1.1rem; }
article:target { border-color: var(--accent); }
h3 { margin: 0; font-size: 1rem; font-weight: 600; } h3 a { color: inherit; } h3 code { font-size: 1rem; overflow-wrap: anywhere; }
h4 { margin: 1rem 0 .3rem; font-size: .78rem; letter-spacing: .05em; text-transform: uppercase; color: var(--soft); }
article p { margin: .5rem 0; } .access, .range, small, i { color: var(--soft); } i { font-size: .8rem; font-weight: 400; }
code { font: .88em ui-monospace, "SF Mono", "DejaVu Sans Mono", monospace; } var { font-style: normal; color: var(--accent); }
.method { font: 600 .7rem ui-monospace, "DejaVu Sans Mono", monospace; min-width: 3.4rem; display: inline-block; letter-spacing: .03em; }
.get { color: var(--get); } .post { color: var(--post); } .patch { color: var(--patch); } .delete { color: var(--delete); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .38rem .8rem .38rem 0; border-top: 1px solid var(--line); font-weight: 400; }
th { white-space: nowrap; width: 1%; padding-right: 1.4rem; } td { overflow-wrap: break-word; } tr:first-child > * { border-top: 0; } tr:target { background: var(--mark); }
.answers { list-style: none; margin: 0; padding: 0; font-size: .92rem; } .status { display: inline-block; min-width: 2.4rem; font-variant-numeric: tabular-nums; }
details { margin-top: .6rem; font-size: .88rem; } summary { cursor: pointer; color: var(--soft); }
.or { color: var(--soft); font-style: italic; } ol { padding-left: 1.3rem; }
@media (max-width: 52rem) { body { display: block; } nav { position: static; height: auto; max-height: 40vh; border-right: 0; border-bottom: 1px solid var(--line); }
  th { white-space: normal; width: auto; } article { padding: .9rem 1rem; } }
@media print { nav { display: none; } article { break-inside: avoid; } }
`;
