import type { FastifyRequest } from "fastify";

/** Every credential that a request carries: Node keeps only the first of several `Authorization` headers. */
export function credentialsOf(request: FastifyRequest): { authorization?: string[]; apiKey?: string[] } {
  const { authorization, "x-api-key": apiKey } = request.raw.headersDistinct;
  return { ...(authorization && { authorization }), ...(apiKey && { apiKey }) };
}
