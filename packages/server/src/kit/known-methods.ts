import type { FastifyInstance } from "fastify";

/** Said of every address, and no help to who looks for the right call. */
const UNSAID = new Set(["HEAD", "OPTIONS"]);

/**
 * Keeps in mind which calls there are, before the first is made. Returns the methods that a path takes:
 * none where there is no such path.
 */
export function rememberMethods(app: FastifyInstance): (path: string) => string[] {
  const known: { pattern: RegExp; method: string }[] = [];
  app.addHook("onRoute", ({ method, url }) => {
    // Who may not call these learns nothing of them.
    if (url.startsWith("/internal/")) return;
    const pattern = new RegExp(
      `^${url
        .replace(/[.+?^$()[\]\\]/g, "\\$&")
        .replace(/:\w+/g, "[^/]+")
        .replace(/\*/g, ".*")}$`,
    );
    for (const each of [method].flat()) if (!UNSAID.has(each)) known.push({ pattern, method: each });
  });
  return (path) => [
    ...new Set(known.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method)),
  ];
}
