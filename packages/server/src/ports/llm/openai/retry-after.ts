const SECONDS_MAX = 300;

/**
 * Reads a Retry-After header: seconds (parts of one count as a whole) or an HTTP date, clamped to 0…300;
 * undefined where it is missing or neither.
 * @param nowMs wall time, milliseconds since 1970
 */
export function retryAfterS(header: string | undefined, nowMs: number): number | undefined {
  const written = header?.trim();
  if (!written) return undefined;
  if (/^\d+(\.\d+)?$/.test(written)) return Math.min(SECONDS_MAX, Math.ceil(Number(written)));
  // Dates begin with a weekday; `Date.parse` alone would take "-5" for a year.
  const at = /^[A-Za-z]{3}/.test(written) ? Date.parse(written) : Number.NaN;
  if (Number.isNaN(at)) return undefined;
  return Math.min(SECONDS_MAX, Math.max(0, Math.ceil((at - nowMs) / 1_000)));
}
