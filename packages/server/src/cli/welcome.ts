/** A model provider as the start shows it. */
export interface ProviderShown {
  /** Which one, where, and why it was taken. */
  readonly what: string;
  /** What is wrong with it and what to do, or null where it answers. */
  readonly trouble: string | null;
}

export interface Welcome {
  version: string;
  /** Without a slash at the end. */
  url: string;
  /** Where other machines find it; empty where none can. */
  elsewhere: readonly string[];
  isPublicUrlSet: boolean;
  dataDir: string;
  provider: ProviderShown;
  /** Null where no person reads this: a code that is kept in a file is none. */
  signInLink: string | null;
  /** A second sign-in code, for the line that shows a first reply; null as above. */
  code: string | null;
  /** How the program is called from here: `parley` or `npx parley`. */
  command: string;
  isColored: boolean;
}

/** What a start prints for the person at the terminal; the one place where sign-in codes are shown. */
export function welcome(shown: Welcome): string {
  const { version, url, elsewhere, dataDir, provider, signInLink, code, command } = shown;
  const bold = (text: string) => (shown.isColored ? `\u001b[1m${text}\u001b[22m` : text);
  const dim = (text: string) => (shown.isColored ? `\u001b[2m${text}\u001b[22m` : text);
  const row = (name: string, ...lines: (string | null)[]) =>
    lines
      .filter((line) => line !== null)
      .map((line, i) => `  ${(i === 0 ? name : "").padEnd(9)} ${line}\n`)
      .join("");
  const advice = shown.isPublicUrlSet ? "" : "; set PARLEY_PUBLIC_URL to the one that people open";
  const network = elsewhere.length > 0 ? dim(`from elsewhere ${elsewhere.join(", ")}${advice}`) : null;
  return [
    `\n  ${bold("Parley")} ${version}\n\n`,
    row("Address", bold(url), network),
    row("Data", dataDir),
    row("Provider", provider.what, provider.trouble),
    signInLink === null
      ? row("Sign in", `\`${command} sign-in-link\` makes a link that signs the owner in`)
      : row(
          "Sign in",
          signInLink,
          dim(`for the owner: once, within the hour; ${command} sign-in-link makes another`),
        ),
    row("API", `${url}/docs`),
    code === null ? "" : `\n  A first reply, streamed; paste this into another terminal (it works once):\n\n`,
    code === null ? "" : `${firstReplyLine({ url, code })}\n`,
    `\n  ${dim("Ctrl-C stops the server.")}\n\n`,
  ].join("");
}

/**
 * One line of shell that signs in by a code, starts a conversation with a character and shows its first
 * reply as it comes. In a subshell, so it leaves nothing behind; plain `sh`, curl, grep, cut and sed, of
 * whichever system. Nothing in it means something else to an interactive bash or zsh.
 */
export function firstReplyLine({ url, code }: { url: string; code: string }): string {
  const used = "This line has been used or is too old: start Parley again for another.";
  const steps = [
    `field() { grep -o "\\"$1\\":\\"[^\\"]*" | head -1 | cut -d'"' -f4; }`,
    `api() { p=$1; shift; curl -sSN "${url}/api/v2/$p" -H "Authorization:\${T:+ Bearer $T}" -H Content-Type:application/json "$@"; }`,
    // The text of a piece, or why there is none; out of JSON, whose other escapes printf knows.
    `words() { sed -n 's/.*"reply.delta".*"text":"\\(.*\\)","cursor".*/\\1/p;s/.*"turn.failed".*"detail":"\\(.*\\)","code".*/\\1/p' | sed 's/\\\\"/"/g'; }`,
    "T=",
    `T=$(api sessions -d '{"code":"${code}"}' | field access_token)`,
    `[ "$T" ] || { echo "${used}"; exit 1; }`,
    "C=$(api 'characters?limit=1' | field id)",
    `C=$(api conversations -d '{"character_ids":["'$C'"]}' | field id)`,
    `api conversations/$C/messages -H Accept:text/event-stream -d '{"content":"Hello! Who are you?"}' | while IFS= read -r L; do case $L in data:*) printf %b "$(printf '%s\\n' "$L" | words)";; esac; done`,
    "echo",
  ];
  return `(${steps.join("; ")})`;
}
