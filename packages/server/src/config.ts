import { existsSync, readFileSync } from "node:fs";
import { BlockList, isIP } from "node:net";
import { readDotEnv } from "./config/dot-env.ts";
import {
  BadValue,
  choice,
  type Defaulted,
  integer,
  list,
  type Setting,
  text,
  url,
} from "./config/setting.ts";
import { nearest } from "./kit/nearest.ts";
import { StartError } from "./kit/start-error.ts";

const HOUR_MS = 3_600_000;

/** Every setting, under the heading it has in the reference. Whatever is absent selects the embedded default. */
export const groups = {
  Server: {
    environment: choice("ENVIRONMENT", ["development", "production"], {
      default: "development",
      about: "With production, secrets must be set rather than made, and API_KEY needs 16 characters.",
    }),
    host: text("HOST", {
      default: "127.0.0.1",
      about: "The address to listen on; 0.0.0.0 is every network of this machine.",
    }),
    port: integer("PORT", {
      default: "8666",
      min: 0,
      max: 65_535,
      about: "The port to listen on; 0 takes any free one.",
    }),
    dataDir: text("PARLEY_DATA_DIR", {
      default: "./data",
      about: "The folder that holds everything Parley keeps; made with mode 0700 where it is missing.",
    }),
    publicUrl: url("PARLEY_PUBLIC_URL", {
      unset: "`http://`, HOST (localhost where that is 127.0.0.1 or every network) and PORT",
      about: "Where people reach this server from outside, for the links it makes.",
    }),
    trustedProxies: list("PARLEY_TRUSTED_PROXIES", {
      entry: "IP addresses or networks",
      isEntry: isNetwork,
      about: "Proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8.",
    }),
    allowedOrigins: list("ALLOWED_ORIGINS", {
      entry: "origins such as https://example.org, or *",
      isEntry: (value) => value === "*" || (URL.canParse(value) && new URL(value).origin === value),
      about: "Pages on other hosts that may call the API from a browser.",
    }),
    drainTimeoutMs: integer("PARLEY_DRAIN_TIMEOUT_MS", {
      default: "10000",
      min: 0,
      max: HOUR_MS,
      about: "How long a stop waits for replies that are running; they go on after the next start.",
    }),
  },
  "People and limits": {
    registration: choice("PARLEY_REGISTRATION", ["open", "closed"], {
      unset: "open where HOST is loopback, closed elsewhere",
      about: "Whether anyone may create an account.",
    }),
    ownerEmail: text("PARLEY_OWNER_EMAIL", {
      default: "owner@parley.local",
      pattern: [/^[^\s@]+@[^\s@]+$/, "an e-mail address"],
      about: "The e-mail address of the owner's account.",
    }),
    apiKey: text("API_KEY", {
      isSecret: true,
      unset: "no such key",
      about: "A key that acts as the owner, for programs of your own.",
    }),
    secret: text("PARLEY_SECRET", {
      isSecret: true,
      lengthMin: 32,
      unset: "made at the first start and kept in the data folder; required in production",
      about:
        "What the tokens of all sessions are made with: 32 random characters or more; a new one signs everyone out, and keys go on.",
    }),
    importsPerMinuteMax: integer("MAX_IMPORTS_PER_MINUTE", {
      default: "60",
      min: 0,
      max: 1_000_000_000,
      about: "Card files that one user may send in a minute; 0 turns the limit off.",
    }),
    messagesPerMinuteMax: integer("MAX_MESSAGES_PER_MINUTE", {
      default: "100",
      min: 0,
      max: 1_000_000_000,
      about: "Messages that one user may send in a minute; 0 turns the limit off.",
    }),
    messagesPerHourMax: integer("MAX_MESSAGES_PER_HOUR", {
      default: "1000",
      min: 0,
      max: 1_000_000_000,
      about: "Messages that one user may send in an hour; 0 turns the limit off.",
    }),
    messagesPerDayMax: integer("MAX_MESSAGES_PER_DAY", {
      default: "10000",
      min: 0,
      max: 1_000_000_000,
      about: "Messages that one user may send in a day; 0 turns the limit off.",
    }),
    messagesPerConversationMax: integer("PARLEY_MESSAGES_PER_CONVERSATION_MAX", {
      default: "10000",
      min: 2,
      max: 1_000_000,
      about: "Places for messages in one conversation, replies and deleted ones included.",
    }),
    socketsPerUserMax: integer("PARLEY_SOCKETS_PER_USER_MAX", {
      default: "20000",
      min: 1,
      max: 1_000_000,
      about: "Sockets that one user may have open at a time, over all tabs and programs.",
    }),
    uploadBytesMax: integer("PARLEY_UPLOAD_BYTES_MAX", {
      default: "16777216",
      min: 1_024,
      max: 1_073_741_824,
      about: "The largest file that may be sent to the server.",
    }),
  },
  Models: {
    provider: text("DEFAULT_LLM_PROVIDER", {
      unset: "LM Studio where it answers, else OpenAI where a key is set, else demo",
      pattern: [/^[a-z0-9_-]{1,40}$/, "the name of a provider, such as lmstudio, openai or demo"],
      about: "The model provider to use: lmstudio, openai (and what speaks its protocol) or demo.",
    }),
    model: text("DEFAULT_MODEL", {
      unset: "the first chat model that the provider lists",
      about: "The model to use where a conversation names none.",
    }),
    lmstudioBaseUrl: url("LMSTUDIO_BASE_URL", {
      default: "http://127.0.0.1:1234/v1",
      about: "Where LM Studio listens.",
    }),
    openaiApiKey: text("OPENAI_API_KEY", {
      isSecret: true,
      unset: "OpenAI is used by itself only where OPENAI_BASE_URL is set",
      about: "The key for OpenAI, or for the server at OPENAI_BASE_URL.",
    }),
    openaiBaseUrl: url("OPENAI_BASE_URL", {
      default: "https://api.openai.com/v1",
      about: "OpenAI, or any server that speaks its protocol.",
    }),
    contextTokensMax: integer("PARLEY_CONTEXT_TOKENS_MAX", {
      default: "32000",
      min: 256,
      max: 10_000_000,
      about: "Tokens of a prompt and its reply together, at most; a smaller window of the model wins.",
    }),
    replyTokensMax: integer("PARLEY_REPLY_TOKENS_MAX", {
      default: "1024",
      min: 1,
      max: 1_000_000,
      about: "Tokens of a reply, at most, where a conversation does not say.",
    }),
    llmConnectTimeoutMs: timer("PARLEY_LLM_CONNECT_TIMEOUT_MS", {
      unset: "3000",
      about: "How long a provider may take to accept a connection.",
    }),
    llmFirstTokenTimeoutMs: timer("PARLEY_LLM_FIRST_TOKEN_TIMEOUT_MS", {
      unset: "10000 for hosted providers, 120000 for local ones",
      about: "How long a provider may take to the first token; 0 waits for ever.",
    }),
    llmBetweenTokensTimeoutMs: timer("PARLEY_LLM_BETWEEN_TOKENS_TIMEOUT_MS", {
      unset: "15000",
      about: "How long a provider may fall silent between tokens.",
    }),
    llmIdleTimeoutMs: timer("PARLEY_LLM_IDLE_TIMEOUT_MS", {
      unset: "60000",
      about: "How long a provider's connection may carry nothing at all, keep-alives included.",
    }),
    llmCallTimeoutMs: integer("PARLEY_LLM_CALL_TIMEOUT_MS", {
      default: "600000",
      min: 0,
      max: 24 * HOUR_MS,
      about: "How long one reply may take in all; a slow machine at home must be able to finish.",
    }),
  },
  Log: {
    logLevel: choice("PARLEY_LOG_LEVEL", ["silent", "fatal", "error", "warn", "info", "debug", "trace"], {
      default: "info",
      about: "How much goes to the log (standard error); what people write never does.",
    }),
    logFormat: choice("PARLEY_LOG_FORMAT", ["json", "text"], {
      unset: "text on a terminal, json elsewhere",
      about: "One JSON object a line, or short lines for people.",
    }),
  },
} as const;

function timer<const O extends { about: string; unset: string }>(name: string, options: O): Setting<number> {
  return integer(name, { ...options, min: 0, max: 24 * HOUR_MS });
}

type Groups = typeof groups;
type Merge<U> = (U extends unknown ? (group: U) => void : never) extends (group: infer I) => void ? I : never;
export type Settings = Merge<Groups[keyof Groups]>;

export const settings = Object.assign({}, ...Object.values(groups)) as Settings;

type Values = {
  readonly [K in keyof Settings]: Settings[K] extends Defaulted<infer T>
    ? T
    : Settings[K] extends Setting<infer T>
      ? T | undefined
      : never;
};

/** What the server runs by: every setting, typed, frozen. Absent settings without a default are undefined. */
export interface Config extends Omit<Values, "registration"> {
  readonly registration: "open" | "closed";
  /** Only programs on this machine can reach the server. */
  readonly isLoopback: boolean;
}

export type Source = "environment" | ".env" | "default";

export interface ReadConfig {
  readonly config: Config;
  /** Where each setting's value came from, by its name. */
  readonly sources: ReadonlyMap<string, Source>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Makes the configuration of what is set; the environment wins over `.env`, and an empty value is an
 * absent one. Throws a `StartError` with one sentence for each thing that is wrong, one a line.
 */
export function readConfig({ env, dotEnv = {} }: { env: Environment; dotEnv?: Environment }): ReadConfig {
  const complaints = [...unknownNames(env, "environment"), ...unknownNames(dotEnv, ".env")];
  const values: Record<string, unknown> = {};
  const sources = new Map<string, Source>();
  for (const [key, setting] of Object.entries<Setting<unknown>>(settings)) {
    const isInEnv = env[setting.name] !== undefined;
    const given = (isInEnv ? env : dotEnv)[setting.name]?.trim() || undefined;
    sources.set(setting.name, given === undefined ? "default" : isInEnv ? "environment" : ".env");
    const written = given ?? setting.default;
    if (written === undefined) continue;
    try {
      values[key] = written === "" ? Object.freeze([]) : setting.parse(written);
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      complaints.push(
        `${setting.name} ${error.message}${setting.isSecret ? "" : `, not "${short(written)}"`}.`,
      );
    }
  }
  const isLoopback = isLoopbackHost(String(values.host));
  const config = { registration: isLoopback ? "open" : "closed", ...values, isLoopback } as Config;
  complaints.push(...productionComplaints(config));
  if (complaints.length > 0) throw new StartError(complaints.join("\n"));
  return { config: Object.freeze(config), sources };
}

/** Reads the process's environment and the `.env` of the working folder. Throws as `readConfig` does. */
export function loadConfig(): ReadConfig {
  return readConfig({ env: process.env, dotEnv: dotEnvHere() });
}

/** Whether output to people may be coloured, beyond it going to a terminal (no-color.org). */
export const isColorWanted = (): boolean => !process.env.NO_COLOR && process.env.TERM !== "dumb";

function dotEnvHere(): Environment {
  if (!existsSync(".env")) return {};
  try {
    return readDotEnv(readFileSync(".env", "utf8"));
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`The file .env cannot be read: ${(error as Error).message}.`);
  }
}

function* unknownNames(env: Environment, place: string) {
  const known = Object.values<Setting<unknown>>(settings).map(({ name }) => name);
  for (const name of Object.keys(env)) {
    // The environment is full of other programs' names; a .env here is for this one.
    const isOurs = name.startsWith("PARLEY_");
    if (known.includes(name) || (!isOurs && place !== ".env")) continue;
    const meant = nearest(name, known);
    if (!isOurs && meant === null) continue;
    yield `${short(name)} (in ${place === ".env" ? "" : "the "}${place}) is not a setting${
      meant ? `; did you mean ${meant}?` : "; `parley config docs` lists them all."
    }`;
  }
}

function* productionComplaints({ environment, apiKey, secret }: Config) {
  if (environment !== "production") return;
  if (apiKey !== undefined && [...apiKey].length < 16) {
    yield "API_KEY needs 16 characters or more in production.";
  }
  if (secret === undefined) {
    yield "PARLEY_SECRET must be set in production: 32 random characters or more, such as `openssl rand -hex 32` prints.";
  }
}

function isLoopbackHost(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function isNetwork(value: string): boolean {
  const [address = "", prefix, ...rest] = value.split("/");
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  if (prefix === undefined) return true;
  try {
    new BlockList().addSubnet(
      address,
      /^\d+$/.test(prefix) ? Number(prefix) : -1,
      version === 4 ? "ipv4" : "ipv6",
    );
    return true;
  } catch {
    return false;
  }
}

const short = (value: string) => (value.length > 60 ? `${value.slice(0, 60)}…` : value);
