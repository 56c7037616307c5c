// Signs in by the code of a sign-in link. Tokens live in this module's memory and nowhere else.
const api = new URL("/api/v2", location.origin).href;

/** @param {string} id */
const find = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

find("address").textContent = api;
await signIn(takeCode());
// Opening another link while the page is open changes only the part after the #.
addEventListener("hashchange", () => signIn(takeCode()));

/** The code in the address, taken out of it at once: it must not stay in the history. */
function takeCode() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (location.hash) history.replaceState(null, "", location.pathname);
  return code;
}

/** @param {string | null} code */
async function signIn(code) {
  if (!code) return;
  say("Signing in…");
  try {
    const { user, session } = await call("POST", "/sessions", { code });
    const names = [user.display_name, user.email].filter(Boolean);
    say(`You are signed in as ${names.join(", ")}.`, "good");
    find("advice").hidden = true;
    await showNext(session.access_token);
  } catch (error) {
    say(sentenceFor(error), "bad");
  }
}

/** @param {string} token */
async function showNext(token) {
  const { items } = await call("GET", "/characters?limit=50", undefined, token);
  const select = /** @type {HTMLSelectElement} */ (find("character"));
  select.replaceChildren(
    ...items.map((/** @type {{id: string, name: string}} */ c) => new Option(c.name, c.id)),
  );
  const show = () => {
    find("lines").textContent = linesFor(token, select.value);
  };
  select.onchange = show;
  show();
  find("copy").onclick = copyLines;
  find("sign-out").onclick = () => signOut(token);
  find("next").hidden = false;
}

async function copyLines() {
  const button = find("copy");
  try {
    await navigator.clipboard.writeText(find("lines").textContent ?? "");
    button.textContent = "Copied";
  } catch {
    // Off this machine and without TLS there is no clipboard.
    getSelection()?.selectAllChildren(find("lines"));
    button.textContent = "Marked: copy it with the keyboard";
  }
}

/** @param {string} token */
async function signOut(token) {
  try {
    await call("DELETE", "/sessions/current", undefined, token);
    say("You are signed out.");
  } catch (error) {
    say(sentenceFor(error), "bad");
    return;
  }
  find("lines").textContent = "";
  find("next").hidden = true;
  find("advice").hidden = false;
}

/**
 * @param {string} token
 * @param {string} characterId
 */
function linesFor(token, characterId) {
  return `TOKEN='${token}'

ID=$(curl -s ${api}/conversations -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"character_ids":["${characterId}"]}' | grep -o '"id":"[^"]*' | head -1 | cut -d'"' -f4)

curl -N ${api}/conversations/$ID/messages -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -H 'Accept: text/event-stream' -d '{"content":"Hello! Who are you?"}'
`;
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {string} [token]
 */
async function call(method, path, body, token) {
  const response = await fetch(api + path, {
    method,
    headers: {
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(token && { authorization: `Bearer ${token}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const answer = response.status === 204 ? undefined : await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.detail), answer);
  return answer;
}

/** What happened and what to do, for a problem of the API or a failed connection. */
function sentenceFor(/** @type {any} */ error) {
  if (error.code === "unauthenticated") return "This link was used or has expired.";
  if (error.code === "rate_limited")
    return `Too many tries; wait ${error.retry_after_s ?? 60} seconds and open the link again.`;
  if (error.code) return `${error.detail}`;
  return "The server does not answer; see whether it still runs, then open the link again.";
}

/**
 * @param {string} text
 * @param {"good" | "bad"} [mood]
 */
function say(text, mood) {
  const status = find("status");
  status.textContent = text;
  status.className = mood ?? "";
}
