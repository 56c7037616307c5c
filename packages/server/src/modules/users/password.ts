import { argon2, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { Problem } from "@parley-chat/sdk/contract/problem";

/** OWASP's second choice for argon2id: 19 MiB, two passes, one lane. */
const COST = { memory: 19_456, passes: 2, parallelism: 1 } as const;
const SALT_BYTES = 16;
const TAG_BYTES = 32;

/** Each takes 19 MiB and one of the four threads that files and DNS need too. */
const HASHES_AT_ONCE_MAX = 2;
const WAITING_MAX = 100;

const PHC =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

export interface Passwords {
  /** The PHC string to store. Throws `overloaded` when too many are waiting. */
  hash(password: string): Promise<string>;
  /**
   * Whether the password belongs to the stored hash. Takes as long for null (no account, or one
   * without a password), so that nobody learns from the time which accounts exist.
   */
  verify(password: string, stored: string | null): Promise<boolean>;
}

type Hash = (
  password: string,
  salt: Uint8Array,
  cost: { memory: number; passes: number; parallelism: number },
  tagLength: number,
) => Promise<Buffer>;

export function createPasswords({ random }: { random: (bytes: number) => Uint8Array }): Passwords {
  const limited = atMost(HASHES_AT_ONCE_MAX, WAITING_MAX);
  const hash: Hash = (password, nonce, cost, tagLength) =>
    limited(() => argon2id("argon2id", { message: password.normalize("NFKC"), nonce, tagLength, ...cost }));

  return {
    async hash(password) {
      const salt = random(SALT_BYTES);
      const tag = await hash(password, salt, COST, TAG_BYTES);
      const { memory, passes, parallelism } = COST;
      return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(tag)}`;
    },
    async verify(password, stored) {
      const parts = stored === null ? null : PHC.exec(stored);
      if (!parts) {
        await hash(password, new Uint8Array(SALT_BYTES), COST, TAG_BYTES);
        return false;
      }
      const [memory, passes, parallelism] = parts.slice(1, 4).map(Number) as [number, number, number];
      const salt = Buffer.from(parts[4] as string, "base64");
      const expected = Buffer.from(parts[5] as string, "base64");
      const tag = await hash(password, salt, { memory, passes, parallelism }, expected.length);
      return timingSafeEqual(tag, expected);
    },
  };
}

const argon2id = promisify(argon2);

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64").replace(/=+$/, "");

/** Runs up to `runningMax` at once and lets `waitingMax` wait; beyond that `overloaded`. */
function atMost(runningMax: number, waitingMax: number) {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running < runningMax) running++;
    else if (waiting.length < waitingMax) await new Promise<void>((resolve) => waiting.push(resolve));
    else {
      const detail = "Too many people are signing in; try again in a moment.";
      throw new Problem("overloaded", detail, { retryAfterS: 1 });
    }
    try {
      return await work();
    } finally {
      // The place passes to the next in line without becoming free in between.
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
