import { lazily } from "./lazily.ts";

const SECONDS_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

type Labels = Readonly<Record<string, string | number>>;

export interface Metrics {
  /** A request was answered; `route` is the pattern of the path, never the path itself. */
  answered(call: { method: string; route: string; status: number; durationMs: number }): void;
  readonly openStreams: { opened(): void; closed(): void };
  readonly openSockets: { opened(): void; closed(): void };
  /** A turn reached its outcome. */
  turnEnded(turn: { status: string; provider: string; promptTokens: number; completionTokens: number }): void;
  /** The first text of a reply came from the provider. */
  firstToken(reply: { provider: string; durationMs: number }): void;
  /** In the text format of Prometheus. */
  expose(): Promise<{ contentType: string; text: string }>;
}

/**
 * The numbers of the process. What is recorded on the way of a request is an addition in memory; the
 * library that measures the process itself takes 50 ms to load, so it is loaded when first asked for.
 */
export function createMetrics(): Metrics {
  const requests = histogram("parley_http_request_duration_seconds", "Time to answer a request.");
  const streams = counter("parley_open_streams", "Event streams that are open.", "gauge");
  const sockets = counter("parley_open_sockets", "Sockets that are open.", "gauge");
  const turns = counter("parley_turns_total", "Turns by their outcome.");
  const tokens = counter("parley_tokens_total", "Tokens of prompts and replies.");
  const firstTokens = histogram("parley_first_token_seconds", "Time to the first text of a reply.");
  const own = [requests, streams, sockets, turns, tokens, firstTokens];
  streams.add({}, 0);
  sockets.add({}, 0);
  const ofProcess = lazily(measureProcess);
  /** The row of each kind of call, so that its labels are written out once. */
  const requestRows = new Map<string, HistogramRow>();

  return {
    answered({ method, route, status, durationMs }) {
      const kind = `${status} ${method} ${route}`;
      let row = requestRows.get(kind);
      if (!row) {
        row = requests.row({ method, route, status });
        requestRows.set(kind, row);
      }
      observe(row, durationMs / 1_000);
    },
    openStreams: { opened: () => streams.add({}, 1), closed: () => streams.add({}, -1) },
    openSockets: { opened: () => sockets.add({}, 1), closed: () => sockets.add({}, -1) },
    turnEnded({ status, provider, promptTokens, completionTokens }) {
      turns.add({ status, provider }, 1);
      tokens.add({ kind: "prompt", provider }, promptTokens);
      tokens.add({ kind: "completion", provider }, completionTokens);
    },
    firstToken: ({ provider, durationMs }) => observe(firstTokens.row({ provider }), durationMs / 1_000),
    async expose() {
      const text = own.map((metric) => metric.text()).join("") + (await (await ofProcess())());
      return { contentType: "text/plain; version=0.0.4; charset=utf-8", text };
    },
  };
}

async function measureProcess(): Promise<() => Promise<string>> {
  const { default: prometheus } = await import("prom-client");
  const register = new prometheus.Registry();
  prometheus.collectDefaultMetrics({ register });
  return () => register.metrics();
}

function counter(name: string, help: string, type = "counter") {
  const values = new Map<string, number>();
  return {
    add(labels: Labels, amount: number) {
      const key = labelText(labels);
      values.set(key, (values.get(key) ?? 0) + amount);
    },
    text: () =>
      head(name, help, type) + [...values].map(([key, value]) => `${name}${braced(key)} ${value}\n`).join(""),
  };
}

interface HistogramRow {
  readonly counts: number[];
  sum: number;
  count: number;
}

function observe(row: HistogramRow, seconds: number): void {
  row.sum += seconds;
  row.count++;
  const bucket = SECONDS_BUCKETS.findIndex((bound) => seconds <= bound);
  if (bucket >= 0) row.counts[bucket] = (row.counts[bucket] as number) + 1;
}

function histogram(name: string, help: string) {
  const rows = new Map<string, HistogramRow>();
  return {
    row(labels: Labels): HistogramRow {
      const key = labelText(labels);
      const row = rows.get(key) ?? { counts: SECONDS_BUCKETS.map(() => 0), sum: 0, count: 0 };
      rows.set(key, row);
      return row;
    },
    text: () =>
      head(name, help, "histogram") + [...rows].map(([key, row]) => bucketLines(name, key, row)).join(""),
  };
}

function bucketLines(name: string, key: string, row: HistogramRow): string {
  const prefix = key ? `${key},` : "";
  let below = 0;
  const lines = SECONDS_BUCKETS.map((bound, i) => {
    below += row.counts[i] as number;
    return `${name}_bucket{${prefix}le="${bound}"} ${below}\n`;
  });
  const total = `${name}_bucket{${prefix}le="+Inf"} ${row.count}\n`;
  return `${lines.join("")}${total}${name}_sum${braced(key)} ${row.sum}\n${name}_count${braced(key)} ${row.count}\n`;
}

const head = (name: string, help: string, type: string) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
const braced = (key: string) => (key ? `{${key}}` : "");

function labelText(labels: Labels): string {
  let text = "";
  for (const name in labels) text += `${text && ","}${name}="${escapeLabel(String(labels[name]))}"`;
  return text;
}

const escapeLabel = (value: string) =>
  /[\\"\n]/.test(value)
    ? value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")
    : value;
