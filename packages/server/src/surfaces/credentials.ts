import type { FastifyRequest } from "fastify";

/** Every credential that a request carries: Node keeps only the first of several `Authorization` headers. */
export function credentialsOf({ raw }: FastifyRequest): { authorization?: string[]; apiKey?: string[] } {
  const found: { authorization?: string[]; apiKey?: string[] } = {};
  const { rawHeaders } = raw;
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const name = rawHeaders[n] as string;
    const field = FIELDS_BY_LENGTH[name.length];
    if (field === undefined || name.toLowerCase() !== field.header) continue;
    const values = found[field.as] ?? [];
    values.push(rawHeaders[n + 1] as string);
    found[field.as] = values;
  }
  return found;
}

const FIELDS = [
  { header: "authorization", as: "authorization" },
  { header: "x-api-key", as: "apiKey" },
] as const;

/** Most headers are told from these by their length alone. */
const FIELDS_BY_LENGTH: Readonly<Record<number, (typeof FIELDS)[number]>> = Object.fromEntries(
  FIELDS.map((field) => [field.header.length, field]),
);
