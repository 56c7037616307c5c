import { eventSchemas } from "./event-schemas.ts";
import { clientFrames, serverFrames } from "./frames.ts";
import { contract } from "./index.ts";
import { ops } from "./ops.ts";
import { type ProblemCode, problems } from "./problem.ts";
import { realtimeSocket } from "./realtime.ts";
import type { Access, Route } from "./route.ts";
import { turnEvents } from "./turns.ts";

/** A JSON Schema as it stands in the document. */
export interface SchemaObject {
  readonly $ref?: string;
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaObject>>;
  readonly required?: readonly string[];
  readonly items?: SchemaObject;
  readonly anyOf?: readonly SchemaObject[];
  readonly additionalProperties?: boolean | SchemaObject;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly [keyword: string]: unknown;
}

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required: boolean;
  readonly description?: string;
  readonly schema: SchemaObject;
}

export interface Answer {
  readonly description: string;
  readonly headers?: Readonly<Record<string, { description: string; schema: SchemaObject }>>;
  readonly content?: Readonly<Record<string, { schema: SchemaObject }>>;
  readonly "x-problem-codes"?: readonly ProblemCode[];
}

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  /** Who may call: `public`, `signed_in`, or the scope that a credential needs. */
  readonly "x-access": Access;
  /** Of the socket: what goes over it, either way. */
  readonly "x-frames"?: { readonly client: SchemaObject; readonly server: SchemaObject };
  readonly parameters: readonly Parameter[];
  readonly requestBody?: {
    readonly required: boolean;
    readonly content: Readonly<Record<string, { schema: SchemaObject }>>;
  };
  readonly responses: Readonly<Record<string, Answer>>;
}

export interface OpenApiDocument {
  readonly openapi: "3.1.0";
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: readonly { readonly url: string }[];
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, SchemaObject>>;
    readonly securitySchemes: Readonly<Record<string, unknown>>;
  };
}

const DESCRIPTION = `Times are RFC 3339 in UTC; ids are lower-case UUIDs. Errors are \`application/problem+json\`.
Every answer carries \`X-Request-ID\`, the caller's where it sent one. What is not yours answers as what does not exist.`;

/** The native API as OpenAPI 3.1, made from the tables of routes, events and problems. */
export function openApiDocument({ version }: { version: string }): OpenApiDocument {
  const schemas: Record<string, SchemaObject> = {};
  const hoist = hoister(schemas);
  schemas.Problem = problemSchema;
  schemas.TurnEvent = {
    description: "One event of a turn; over Server-Sent Events its type is the name of the event.",
    anyOf: Object.values(eventSchemas).map(({ schema }) => hoist(schema)),
  };
  schemas.ClientFrame = {
    description: "A frame that a client sends over the socket.",
    anyOf: Object.values(clientFrames).map(({ schema }) => hoist(schema)),
  };
  schemas.ServerFrame = {
    description: "A frame that the server sends over the socket: one of its own, or an event of a turn.",
    anyOf: [
      ...Object.values(serverFrames).map(({ schema }) => hoist(schema)),
      { $ref: "#/components/schemas/TurnEvent" },
    ],
  };
  const paths: Record<string, Record<string, Operation>> = {};
  for (const [noun, name, route] of everyRoute()) {
    paths[route.path] ??= {};
    const path = paths[route.path] as Record<string, Operation>;
    path[route.method.toLowerCase()] = operation(noun, name, route, hoist);
  }
  return {
    openapi: "3.1.0",
    info: { title: "Parley", version, description: DESCRIPTION },
    servers: [{ url: "/" }],
    tags: [...Object.keys(contract), "ops"].map((name) => ({ name })),
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "An access token or an API key." },
        api_key: { type: "apiKey", in: "header", name: "X-API-Key", description: "An API key." },
      },
    },
  };
}

function* everyRoute(): Generator<[noun: string, name: string, route: Route]> {
  for (const [noun, routes] of Object.entries({ ...contract, ops })) {
    for (const [name, route] of Object.entries<Route>(routes)) yield [noun, name, route];
    if (noun === "turns") yield [noun, "events", turnEvents];
    if (noun === "realtime") yield [noun, "connect", realtimeSocket];
  }
}

type Hoist = (schema: object) => SchemaObject;

/** Bytes as they are; how OpenAPI 3.1 tells of them. */
const filesOf = (types: readonly string[]): Record<string, { schema: SchemaObject }> =>
  Object.fromEntries(types.map((type) => [type, { schema: { contentMediaType: type } }]));

function operation(noun: string, name: string, route: Route, hoist: Hoist): Operation {
  return {
    operationId: `${noun}.${name}`,
    tags: [noun],
    summary: route.summary,
    ...(route.details !== undefined && { description: route.details }),
    security: route.access === "public" ? [] : [{ bearer: [] }, { api_key: [] }],
    "x-access": route.access,
    ...(route.path === realtimeSocket.path && {
      "x-frames": {
        client: { $ref: "#/components/schemas/ClientFrame" },
        server: { $ref: "#/components/schemas/ServerFrame" },
      },
    }),
    parameters: parameters(route, hoist),
    ...(route.body && {
      requestBody: {
        required: !route.isBodyOptional,
        content: { "application/json": { schema: hoist(route.body) } },
      },
    }),
    ...(route.fileTypes && { requestBody: { required: true, content: filesOf(route.fileTypes) } }),
    responses: { ...answers(route, hoist), ...problemAnswers(route) },
  };
}

function parameters(route: Route, hoist: Hoist): Parameter[] {
  const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(
    ([, name]): Parameter => ({
      name: name as string,
      in: "path",
      required: true,
      schema: { type: "string", format: "uuid" },
    }),
  );
  const query = route.query as SchemaObject | undefined;
  const inQuery = Object.entries(query?.properties ?? {}).map(
    ([name, schema]): Parameter => ({
      name,
      in: "query",
      required: query?.required?.includes(name) ?? false,
      schema: hoist(schema),
    }),
  );
  return [...inPath, ...inQuery, ...headerParameters(route)];
}

function headerParameters(route: Route): Parameter[] {
  const header = (name: string, description: string, schema: SchemaObject): Parameter => ({
    name,
    in: "header",
    required: false,
    description,
    schema,
  });
  const found: Parameter[] = [];
  if (changes(route)) {
    const schema = { type: "string", minLength: 1, maxLength: 255 };
    found.push(header("Idempotency-Key", "The same key with the same body gives the same answer.", schema));
  }
  if (route.problems?.includes("version_conflict")) {
    found.push(header("If-Match", 'Only where this is the version now: `"3"`.', { type: "string" }));
  }
  if (route.streams) {
    found.push(header("Last-Event-ID", "The cursor to go on after.", { type: "string", maxLength: 512 }));
  }
  return found;
}

const changes = (route: Route) => route.method === "POST" || route.method === "PATCH";

function answers(route: Route, hoist: Hoist): Record<string, Answer> {
  const found: Record<string, Answer> = {};
  for (const [status, schema] of Object.entries(route.answers)) {
    found[status] = {
      description: STATUS_TEXTS[status] ?? "Done",
      headers: answerHeaders(route),
      ...(schema && { content: { "application/json": { schema: hoist(schema) } } }),
      ...(route.answersFile && { content: filesOf(route.answersFile) }),
    };
  }
  if (route.answersFile) found[304] = { description: "The file is still the one that the caller has" };
  if (route.streams) {
    found[200] = {
      description: "The events of the turn, until it ends",
      headers: answerHeaders(route),
      content: { "text/event-stream": { schema: { $ref: "#/components/schemas/TurnEvent" } } },
    };
  }
  return found;
}

const STATUS_TEXTS: Record<string, string> = {
  101: "The socket is open",
  200: "OK",
  201: "Created",
  202: "Accepted",
  204: "Done; no body",
  503: "Not ready",
};

function answerHeaders(route: Route): Record<string, { description: string; schema: SchemaObject }> {
  const text = (description: string) => ({ description, schema: { type: "string" } });
  return {
    "X-Request-ID": text("The request's id, also in the log."),
    ...(changes(route) && { "Idempotent-Replayed": text("`true` where this repeats an earlier answer.") }),
    ...(route.limit && {
      RateLimit: text("What is left of each limit."),
      "RateLimit-Policy": text("The limits."),
    }),
  };
}

/** What can go wrong on a route: what its parts imply, and what it names itself. */
export function problemCodes(route: Route): ProblemCode[] {
  const hasQuery = Object.keys((route.query as SchemaObject | undefined)?.properties ?? {});
  const codes: (ProblemCode | false | undefined)[] = [
    ...(route.access === "public" ? [] : (["several_credentials", "unauthenticated"] as const)),
    route.access !== "public" && route.access !== "signed_in" && "forbidden",
    route.path.includes("{") && "not_found",
    route.body !== undefined && "invalid_json",
    ...(route.body || route.fileTypes ? (["payload_too_large", "unsupported_type"] as const) : []),
    (route.body !== undefined || route.fileTypes !== undefined || hasQuery.length > 0 || changes(route)) &&
      "validation_failed",
    hasQuery.some((name) => name === "cursor" || name === "before" || name === "after") && "invalid_cursor",
    ...(changes(route) && !route.isIdempotentItself
      ? (["in_flight", "idempotency_key_reused"] as const)
      : []),
    route.hasSecret && "secret_not_replayed",
    route.limit && "rate_limited",
    ...(route.path.startsWith("/api/") ? (["internal", "storage_unavailable", "overloaded"] as const) : []),
    route.method !== "GET" && "draining",
    ...(route.problems ?? []),
  ];
  const inOrder = Object.keys(problems) as ProblemCode[];
  return inOrder.filter((code) => codes.includes(code));
}

function problemAnswers(route: Route): Record<string, Answer> {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of problemCodes(route)) {
    const [status] = problems[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const rows = [...byStatus].map(([status, codes]): [number, Answer] => [
    status,
    {
      description: codes.map((code) => `\`${code}\`: ${problems[code][1]}`).join(" · "),
      ...((status === 429 || status === 503) && {
        headers: { "Retry-After": { description: "Seconds to wait.", schema: { type: "integer" } } },
      }),
      content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      "x-problem-codes": codes,
    },
  ]);
  return Object.fromEntries(rows);
}

const problemSchema: SchemaObject = {
  description: "What went wrong (RFC 9457); `code` says which, `detail` what to do.",
  type: "object",
  required: ["type", "title", "status", "detail", "code", "request_id"],
  properties: {
    type: { type: "string" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string" },
    code: { type: "string", enum: Object.keys(problems) },
    request_id: { type: "string" },
    errors: {
      type: "array",
      items: {
        type: "object",
        required: ["path", "message"],
        properties: { path: { type: "string" }, message: { type: "string" } },
      },
    },
    retry_after_s: { type: "number" },
  },
};

/** Copies schemas, moving each one with a title to the components; a title must mean one schema. */
function hoister(schemas: Record<string, SchemaObject>): Hoist {
  const copy = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(copy);
    if (typeof value !== "object" || value === null) return value;
    return hoist(value);
  };
  const hoist: Hoist = (schema) => {
    const { title, patternProperties } = schema as SchemaObject;
    // Among the names of properties "title" is one like the others, and holds a schema.
    const isTitle = (key: string) => key === "title" && typeof title === "string";
    const rest = Object.entries(schema).filter(([key]) => key !== "patternProperties" && !isTitle(key));
    const plain: Record<string, unknown> = Object.fromEntries(rest.map(([key, value]) => [key, copy(value)]));
    // A record of any names is told with the keyword that readers know.
    const [values] = Object.values(patternProperties ?? {});
    if (values !== undefined) plain.additionalProperties = copy(values);
    if (typeof title !== "string") return plain;
    // The problem inside a turn is the same object as everywhere.
    if (title !== "Problem") {
      const known = schemas[title];
      if (known && JSON.stringify(known) !== JSON.stringify(plain)) {
        throw new Error(`two different schemas are titled ${title}`);
      }
      schemas[title] = plain;
    }
    return { $ref: `#/components/schemas/${title}` };
  };
  return hoist;
}
