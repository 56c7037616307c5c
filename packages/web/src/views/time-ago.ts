const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];
const DAYS_MAX = 7;

/** How long ago something was, in the person's own language: `5 minutes ago`, `yesterday`, then a date. */
export function timeAgo(time: string, now = Date.now(), language?: string): string {
  const ms = now - Date.parse(time);
  if (ms > DAYS_MAX * 86_400_000) {
    return new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(new Date(time));
  }
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  for (const [unit, unitMs] of UNITS) if (ms >= unitMs) return format.format(-Math.floor(ms / unitMs), unit);
  return format.format(0, "second");
}
