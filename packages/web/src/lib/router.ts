import { createStore, useStore } from "./store.ts";

export type Route =
  | { name: "gallery" }
  | { name: "sign_in" }
  | { name: "character"; id: string }
  | { name: "new_character" }
  | { name: "edit_character"; id: string }
  | { name: "chat"; id: string }
  | { name: "settings" }
  | { name: "nowhere" };

const ID = "([0-9a-f-]{36})";
const patterns: readonly [RegExp, (id: string) => Route][] = [
  [/^\/$/, () => ({ name: "gallery" })],
  [/^\/sign-in$/, () => ({ name: "sign_in" })],
  [/^\/settings$/, () => ({ name: "settings" })],
  [/^\/characters\/new$/, () => ({ name: "new_character" })],
  [new RegExp(`^/characters/${ID}$`), (id) => ({ name: "character", id })],
  [new RegExp(`^/characters/${ID}/edit$`), (id) => ({ name: "edit_character", id })],
  [new RegExp(`^/chat/${ID}$`), (id) => ({ name: "chat", id })],
];

/** @param path from the root of the site, e.g. `/app/settings` */
export function routeOf(path: string): Route {
  const rest = path.replace(/^\/app/, "").replace(/(.)\/$/, "$1") || "/";
  for (const [pattern, route] of patterns) {
    const found = pattern.exec(rest);
    if (found) return route(found[1] ?? "");
  }
  return { name: "nowhere" };
}

export const paths = {
  gallery: "/app/",
  signIn: "/app/sign-in",
  settings: "/app/settings",
  newCharacter: "/app/characters/new",
  character: (id: string) => `/app/characters/${id}`,
  editCharacter: (id: string) => `/app/characters/${id}/edit`,
  chat: (id: string) => `/app/chat/${id}`,
};

const current = createStore(globalThis.location?.pathname ?? "/app/");
globalThis.addEventListener?.("popstate", () => current.set(location.pathname));

export function navigate(path: string, options: { replace?: boolean } = {}): void {
  if (options.replace) history.replaceState(null, "", path);
  else if (path !== location.pathname) history.pushState(null, "", path);
  current.set(path);
}

export const usePath = (): string => useStore(current);
