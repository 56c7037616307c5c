import { pino, stdTimeFunctions } from "pino";
import { createLogOutput, type LogOutput } from "./log-output.ts";

const STANDARD_ERROR = 2;

export const logLevels = ["silent", "fatal", "error", "warn", "info", "debug", "trace"] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * All that a line may say beside its message. A name that is not here does not reach the log, so no
 * text of a person, prompt, header or secret can slip in. `error` is reduced to what it is and where.
 */
// biome-ignore format: a list of words reads better in rows
const fieldNames = [
  "host", "port", "url", "path", "version", "incarnation", "role", "signal", "reason", "setting",
  "request_id", "method", "route", "status", "code", "duration_ms", "bytes", "count",
  "user_id", "session_id", "key_id", "character_id", "conversation_id", "message_id", "turn_id", "reply_id",
  "epoch", "attempt", "store", "provider", "model", "prompt_tokens", "completion_tokens", "finish_reason",
] as const;

export type LogFields = { readonly [K in (typeof fieldNames)[number]]?: string | number | boolean | null } & {
  readonly error?: unknown;
};

type Write = (message: string, fields?: LogFields) => void;

/** The log of the process. Messages are fixed sentences; what varies goes into fields. */
export interface Log {
  readonly fatal: Write;
  readonly error: Write;
  readonly warn: Write;
  readonly info: Write;
  readonly debug: Write;
  readonly trace: Write;
  /** The same log with fields that every line of it carries. */
  with(fields: LogFields): Log;
  /** Writes what is still in memory, synchronously: before the process ends. */
  flush(): void;
}

const known: ReadonlySet<string> = new Set(fieldNames);

/**
 * A log on standard error, or on `to`: JSON lines, or short lines for people where `format` is `text`.
 * @param options.secrets texts that must not appear in any line, whatever error carries them
 */
export function createLog(options: {
  level: LogLevel;
  format: "json" | "text";
  isColored?: boolean;
  secrets?: readonly (string | undefined)[];
  to?: { write(line: string): void };
}): Log {
  const direct = options.to ? undefined : createLogOutput(STANDARD_ERROR);
  const out = options.to ?? (direct as LogOutput);
  const isText = options.format === "text";
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      messageKey: "message",
      formatters: { level: (label) => ({ level: label }) },
    },
    isText ? { write: (line: string) => out.write(forPeople(line, options.isColored ?? false)) } : out,
  );
  const isVerbose = logger.isLevelEnabled("debug");
  const mask = masker(options.secrets ?? []);

  const over = (bound: LogFields): Log => {
    const writer =
      (level: Exclude<LogLevel, "silent">): Write =>
      (message, fields) => {
        if (logger.isLevelEnabled(level))
          logger[level](shown({ ...bound, ...fields }, isVerbose, mask), message);
      };
    return {
      fatal: writer("fatal"),
      error: writer("error"),
      warn: writer("warn"),
      info: writer("info"),
      debug: writer("debug"),
      trace: writer("trace"),
      with: (fields) => over({ ...bound, ...fields }),
      flush() {
        direct?.flush();
      },
    };
  };
  return over({});
}

/** A log that says nothing, for tests and for commands that only answer. */
export const silentLog: Log = {
  fatal() {},
  error() {},
  warn() {},
  info() {},
  debug() {},
  trace() {},
  with: () => silentLog,
  flush() {},
};

type Mask = (text: string) => string;

function shown(fields: LogFields, isVerbose: boolean, mask: Mask): Record<string, unknown> {
  const line: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (name === "error") line.error = describeError(value, isVerbose, mask);
    else if (known.has(name)) line[name] = typeof value === "string" ? mask(value.slice(0, TEXT_MAX)) : value;
  }
  return line;
}

const TEXT_MAX = 500;
const CAUSES_MAX = 3;

interface ErrorShown {
  type: string;
  code?: string;
  message?: string;
  at?: string[];
  cause?: ErrorShown;
}

/**
 * The parts of an error that hold nothing of a person's: its kind, code, place in the code, and its
 * message unless it quotes input, as a parser's does; that one only where debugging was asked for.
 */
function describeError(error: unknown, isVerbose: boolean, mask: Mask, depth = 0): ErrorShown {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code, cause } = error as Error & { code?: unknown };
  const mayQuote = error instanceof SyntaxError;
  const frames = error.stack?.split("\n").filter((line) => /^\s+at /.test(line)) ?? [];
  return {
    type: error.name,
    ...(typeof code === "string" && { code }),
    ...((isVerbose || !mayQuote) && { message: mask(error.message.slice(0, TEXT_MAX)) }),
    ...(frames.length > 0 && { at: frames.slice(0, 12).map((line) => line.trim().slice(3)) }),
    ...(cause !== undefined &&
      depth < CAUSES_MAX && { cause: describeError(cause, isVerbose, mask, depth + 1) }),
  };
}

/** What looks like a credential of ours or of a provider, wherever it may have got into a message. */
const CREDENTIALS = /\b(Bearer\s+|sk-|pk_|eyJ)[\w.~+/=-]{8,}/g;

function masker(secrets: readonly (string | undefined)[]): Mask {
  const exact = secrets.filter((secret) => secret !== undefined && secret.length >= 4) as string[];
  return (text) => {
    let masked = text.replace(CREDENTIALS, "$1********");
    for (const secret of exact) masked = masked.replaceAll(secret, "********");
    return masked;
  };
}

const COLORS: Record<string, string> = {
  fatal: "31",
  error: "31",
  warn: "33",
  info: "32",
  debug: "36",
  trace: "90",
};

/** A line of JSON as a person reads it: time, level, message, then the fields. */
function forPeople(json: string, isColored: boolean): string {
  const { level, time, message, error, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const paint = (code: string, text: string) => (isColored ? `\u001b[${code}m${text}\u001b[0m` : text);
  const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${value}`);
  const head = `${paint("90", String(time).slice(11, 23))} ${paint(COLORS[String(level)] ?? "0", String(level).padEnd(5))}`;
  return `${head} ${message}${paint("90", rest.join(""))}${errorForPeople(error as ErrorShown | undefined)}\n`;
}

function errorForPeople(error: ErrorShown | undefined): string {
  if (!error) return "";
  const what = [error.type, error.code, error.message].filter(Boolean).join(" ");
  const at = (error.at ?? []).map((place) => `\n      at ${place}`).join("");
  return `\n    ${what}${at}${errorForPeople(error.cause)}`;
}
