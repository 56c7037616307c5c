import * as Type from "typebox";
import { defineRoutes, scopes } from "./route.ts";
import { Cursor, closed, Limit, listOf, nullable, oneOf, type Static, Time, Uuid } from "./schema.ts";

const Email = Type.String({
  minLength: 3,
  maxLength: 254,
  pattern: "^[^\\s@]+@[^\\s@]+$",
  description: "an e-mail address",
});
const Password = Type.String({ minLength: 8, maxLength: 256 });
const DisplayName = Type.String({ minLength: 1, maxLength: 100 });

export const User = closed(
  {
    id: Uuid,
    email: nullable(Type.String()),
    display_name: Type.String(),
    role: oneOf("owner", "user"),
    locale: Type.Optional(Type.String()),
    time_zone: Type.Optional(Type.String()),
    created_at: Time,
  },
  "User",
);
export type User = Static<typeof User>;

export const Session = closed(
  {
    access_token: Type.String(),
    refresh_token: Type.Optional(Type.String({ description: "Absent where a cookie holds it." })),
    token_type: Type.Literal("Bearer"),
    expires_in: Type.Integer({ description: "Seconds that the access token lives." }),
  },
  "Session",
);
export type Session = Static<typeof Session>;

const AsCookie = Type.Optional(
  Type.Boolean({
    description:
      "Sets the refresh token as a cookie (HttpOnly, SameSite=Strict) and leaves it out of the answer; for pages.",
  }),
);

const SignedIn = closed({ user: User, session: Session }, "SignedIn");

export const Key = closed(
  {
    id: Uuid,
    name: Type.String(),
    scopes: Type.Array(oneOf(...scopes)),
    prefix: Type.String({ description: "The part of the key that is safe to show." }),
    expires_at: Type.Optional(Time),
    last_used_at: Type.Optional(Time),
    created_at: Time,
  },
  "Key",
);
export type Key = Static<typeof Key>;

const NewKey = closed({ ...Key.properties, secret: Type.String() }, "NewKey");

export const users = defineRoutes({
  create: {
    method: "POST",
    path: "/api/v2/users",
    summary: "Create an account",
    access: "public",
    limit: "sign_in",
    hasSecret: true,
    cookie: "sets",
    body: closed({
      email: Email,
      password: Password,
      display_name: Type.Optional(DisplayName),
      cookie: AsCookie,
    }),
    answers: { 201: SignedIn },
    problems: ["email_taken", "forbidden", "overloaded"],
  },
  me: {
    method: "GET",
    path: "/api/v2/users/me",
    summary: "Who I am",
    access: "signed_in",
    answers: { 200: User },
  },
  update: {
    method: "PATCH",
    path: "/api/v2/users/me",
    summary: "Change my account; a new password ends my other sessions",
    access: "account",
    body: closed({
      display_name: Type.Optional(DisplayName),
      locale: Type.Optional(nullable(Type.String({ minLength: 2, maxLength: 35 }))),
      time_zone: Type.Optional(nullable(Type.String({ minLength: 1, maxLength: 64 }))),
      password: Type.Optional(Password),
      current_password: Type.Optional(Type.String({ maxLength: 256 })),
    }),
    answers: { 200: User },
    problems: ["rate_limited", "overloaded"],
  },
  remove: {
    method: "DELETE",
    path: "/api/v2/users/me",
    summary: "Erase my account and everything in it",
    access: "account",
    answers: { 204: null },
  },
  export: {
    method: "GET",
    path: "/api/v2/users/me/export",
    summary: "Everything that is stored of me",
    details:
      "Written while it is read, so an account of any size can be exported; an answer that breaks off is not whole.",
    access: "account",
    isLong: true,
    answers: {
      200: Type.Object({}, { additionalProperties: true, title: "Export" }),
    },
  },
});

export const sessions = defineRoutes({
  create: {
    method: "POST",
    path: "/api/v2/sessions",
    summary: "Sign in by e-mail and password, or by the code of a sign-in link",
    access: "public",
    limit: "sign_in",
    hasSecret: true,
    cookie: "sets",
    body: Type.Union([
      closed({
        email: Type.String({ maxLength: 254 }),
        password: Type.String({ maxLength: 256 }),
        cookie: AsCookie,
      }),
      closed({ code: Type.String({ minLength: 1, maxLength: 128 }), cookie: AsCookie }),
    ]),
    answers: { 201: SignedIn },
    problems: ["unauthenticated", "forbidden", "overloaded"],
  },
  refresh: {
    method: "POST",
    path: "/api/v2/sessions/refresh",
    summary: "A new pair of tokens for a refresh token, which is used up",
    details:
      "Without a body the refresh token is read from the session's cookie, and so is the next one set. Only pages of this server's own origin may do that.",
    access: "public",
    hasSecret: true,
    isIdempotentItself: true,
    cookie: "refreshes",
    isBodyOptional: true,
    body: closed({ refresh_token: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })) }),
    answers: { 201: SignedIn },
    problems: ["unauthenticated", "forbidden", "in_flight", "rate_limited"],
  },
  end: {
    method: "DELETE",
    path: "/api/v2/sessions/current",
    summary: "Sign out",
    access: "signed_in",
    cookie: "clears",
    answers: { 204: null },
    problems: ["forbidden"],
  },
});

export const keys = defineRoutes({
  create: {
    method: "POST",
    path: "/api/v2/keys",
    summary: "Create an API key; its secret is shown once",
    access: "account",
    hasSecret: true,
    body: closed({
      name: Type.String({ minLength: 1, maxLength: 100 }),
      scopes: Type.Optional(Type.Array(oneOf(...scopes), { minItems: 1, uniqueItems: true })),
      expires_at: Type.Optional(Time),
    }),
    answers: { 201: NewKey },
    problems: ["forbidden"],
  },
  list: {
    method: "GET",
    path: "/api/v2/keys",
    summary: "My API keys",
    access: "account",
    query: closed({ cursor: Type.Optional(Cursor), limit: Type.Optional(Limit) }),
    answers: { 200: listOf(Key, "KeyList") },
  },
  remove: {
    method: "DELETE",
    path: "/api/v2/keys/{key_id}",
    summary: "Revoke an API key, at once",
    access: "account",
    answers: { 204: null },
  },
});
