import type { Principal } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Health } from "../../kit/health.ts";
import type { CredentialHeaders } from "../../modules/users/users.ts";
import { credentialsOf } from "../credentials.ts";

export interface OpsUses {
  version: string;
  health: Health;
  isDraining(): boolean;
  /** Bound to loopback alone: metrics are open to who is on this machine. */
  isLoopback: boolean;
  metrics(): Promise<{ contentType: string; text: string }>;
  authenticate(headers: CredentialHeaders): Promise<Principal>;
  openApi(): Promise<unknown>;
  referencePage(): Promise<string>;
  /** What the `type` of every problem names. */
  problemsPage(): Promise<string>;
  /** Makes a sign-in link for who knows the secret of the data folder; throws `not_found` otherwise. */
  signInLink(secret: string | undefined): Promise<string>;
}

/** Answers for operators, probes and people who look around: outside `/api/v2`. */
export function serveOps(app: FastifyInstance, uses: OpsUses): void {
  app.get("/live", () => ({ status: "ok" }));

  app.get("/ready", (_request, reply) => {
    const checks = { ...uses.health.checks(), accepting: uses.isDraining() ? "failing" : "ok" };
    const isReady = Object.values(checks).every((status) => status === "ok");
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? "ok" : "failing", checks });
  });

  app.get("/health", async () => {
    const measured = await uses.health.measureAll();
    const dependencies = Object.fromEntries(measured.map(({ name, ...check }) => [name, check]));
    const isOk = measured.every(({ status }) => status === "ok");
    return { status: isOk ? "ok" : "failing", dependencies };
  });

  app.get("/metrics", async (request, reply) => {
    if (!(uses.isLoopback && isDirect(request))) await requireOwner(uses, request);
    const { contentType, text } = await uses.metrics();
    return reply.header("content-type", contentType).send(text);
  });

  const about = {
    name: "parley",
    version: uses.version,
    api: "/api/v2",
    openapi: "/api/v2/openapi.json",
    docs: "/docs",
    app: "/app/",
  };
  app.get("/", (request, reply) => {
    if (request.headers.accept?.includes("text/html")) return reply.redirect("/app/");
    return reply.send(about);
  });
  for (const path of ["/api/v2", "/api/v2/"]) {
    app.get(path, (request, reply) => {
      if (request.headers.accept?.includes("text/html")) return reply.redirect("/docs");
      return reply.send(about);
    });
  }
  // Browsers ask for it on pages that name no icon; the page of /app/ names its own.
  app.get("/favicon.ico", (_request, reply) =>
    reply.code(204).header("cache-control", "public, max-age=86400").send(),
  );

  app.get("/api/v2/openapi.json", async () => uses.openApi());
  app.get("/docs", async (_request, reply) => sendPage(reply, await uses.referencePage()));
  app.get("/docs/", (_request, reply) => reply.redirect("/docs"));
  app.get("/docs/problems", async (_request, reply) => sendPage(reply, await uses.problemsPage()));

  app.post("/internal/sign-in-link", async (request, reply) => {
    const secret = request.headers["x-parley-control"];
    const link = await uses.signInLink(typeof secret === "string" ? secret : undefined);
    return reply.code(201).header("cache-control", "no-store").send({ link });
  });
}

const FORWARDING = /forwarded|client-ip|real-ip|external-address|^via$|^cf-/;
const isDirect = (request: FastifyRequest) =>
  !Object.keys(request.headers).some((name) => FORWARDING.test(name));

async function requireOwner(uses: OpsUses, request: FastifyRequest): Promise<void> {
  const principal = await uses.authenticate(credentialsOf(request));
  if (principal.role !== "owner" || !principal.scopes.includes("admin")) {
    throw new Problem("forbidden", "Metrics are for the owner, by a key with the scope admin.");
  }
}

const sendPage = (reply: FastifyReply, html: string) =>
  reply
    .header("content-type", "text/html; charset=utf-8")
    .header(
      "content-security-policy",
      "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    )
    .header("x-content-type-options", "nosniff")
    .send(html);
