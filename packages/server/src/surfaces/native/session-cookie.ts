import type { CallContext, Route, Session } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { FastifyReply, FastifyRequest } from "fastify";

const NAME = "parley_refresh";
const PATH = "/api/v2/sessions";
/** As long as a session lives without a refresh. */
const MAX_AGE_S = 30 * 24 * 3_600;

type Call = (input: unknown, context: CallContext) => Promise<unknown>;
type CallOverHttp = (
  input: Record<string, unknown>,
  context: CallContext,
  request: FastifyRequest,
  reply: FastifyReply,
) => Promise<unknown>;

/**
 * A call of the module, with the refresh token of a page carried in a cookie that its scripts cannot read:
 * the module itself knows tokens only.
 */
export function withSessionCookie(
  cookie: Route["cookie"],
  call: Call,
  publicUrl: string | undefined,
): CallOverHttp {
  const setCookie = (reply: FastifyReply, request: FastifyRequest, token: string, maxAgeS: number) => {
    const isSecure = request.protocol === "https" || publicUrl?.startsWith("https:");
    const secure = isSecure ? "; Secure" : "";
    reply.header(
      "set-cookie",
      `${NAME}=${token}; Path=${PATH}; Max-Age=${maxAgeS}; HttpOnly; SameSite=Strict${secure}`,
    );
  };
  const hide = (body: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const { session, ...rest } = body as { session: Session };
    const { refresh_token: token, ...shown } = session;
    setCookie(reply, request, token as string, MAX_AGE_S);
    return { ...rest, session: shown };
  };
  switch (cookie) {
    case undefined:
      return call;
    case "sets":
      return async (input, context, request, reply) => {
        const body = await call(input, context);
        return input.cookie === true ? hide(body, request, reply) : body;
      };
    case "refreshes":
      return async (input, context, request, reply) => {
        const token = input.refresh_token === undefined ? tokenIn(request) : undefined;
        if (token === undefined) return call(input, context);
        checkOrigin(request, publicUrl);
        return hide(await call({ ...input, refresh_token: token }, context), request, reply);
      };
    case "clears":
      return async (input, context, request, reply) => {
        const body = await call(input, context);
        if (tokenIn(request) !== undefined) setCookie(reply, request, "", 0);
        return body;
      };
  }
}

function tokenIn({ headers }: FastifyRequest): string | undefined {
  const pairs = headers.cookie?.split(";").map((pair) => pair.trim()) ?? [];
  return pairs.find((pair) => pair.startsWith(`${NAME}=`))?.slice(NAME.length + 1);
}

/** A browser sends the cookie by itself, so the page that asks must be ours. */
function checkOrigin(request: FastifyRequest, publicUrl: string | undefined): void {
  const { origin } = request.headers;
  if (origin !== undefined && URL.canParse(origin)) {
    if (new URL(origin).host === request.host) return;
    if (publicUrl !== undefined && origin === new URL(publicUrl).origin) return;
  }
  throw new Problem(
    "forbidden",
    "Only this server's own pages may refresh by cookie. Behind a proxy, set PARLEY_PUBLIC_URL to the address that people open.",
  );
}
