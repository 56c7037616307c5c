export interface Welcome {
  version: string;
  /** Without a slash at the end. */
  url: string;
  dataDir: string;
  provider: string;
  signInLink: string;
  /** A second sign-in code, for the line that shows a first reply. */
  code: string;
  isColored: boolean;
}

/** What a start prints for the person at the terminal; the one place where sign-in codes are shown. */
export function welcome(shown: Welcome): string {
  const bold = (text: string) => (shown.isColored ? `\u001b[1m${text}\u001b[22m` : text);
  const dim = (text: string) => (shown.isColored ? `\u001b[2m${text}\u001b[22m` : text);
  return `
  ${bold("Parley")} ${shown.version}

  Address   ${bold(shown.url)}
  Data      ${shown.dataDir}
  Provider  ${shown.provider}
  Sign in   ${shown.signInLink}
            ${dim("for the owner: once, within the hour; parley sign-in-link makes another")}
  API       ${shown.url}/docs

  A first reply, streamed; paste this into another terminal (it works once):

${firstReplyLine(shown)}

  ${dim("Ctrl-C stops the server.")}

`;
}

/**
 * One line of shell that signs in by a code, starts a conversation with a character and streams its
 * first reply. In a subshell, so it leaves nothing behind; plain `sh`, curl, grep and cut.
 */
export function firstReplyLine({ url, code }: Pick<Welcome, "url" | "code">): string {
  const steps = [
    `field() { grep -o "\\"$1\\":\\"[^\\"]*" | head -1 | cut -d'"' -f4; }`,
    `api() { p=$1; shift; curl -sN "${url}/api/v2/$p" -H "Authorization:\${T:+ Bearer $T}" -H Content-Type:application/json "$@"; }`,
    "T=",
    `T=$(api sessions -d '{"code":"${code}"}' | field access_token)`,
    "C=$(api 'characters?limit=1' | field id)",
    `C=$(api conversations -d '{"character_ids":["'$C'"]}' | field id)`,
    `api conversations/$C/messages -H Accept:text/event-stream -d '{"content":"Hello! Who are you?"}'`,
  ];
  return `(${steps.join("; ")})`;
}
