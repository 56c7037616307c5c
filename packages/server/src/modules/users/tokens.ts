import { createHmac, createSecretKey, hash, hkdfSync, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import { errors, jwtVerify, SignJWT } from "jose";
import type { Clock } from "../../kit/clock.ts";
import { isId } from "../../kit/ids.ts";

/** Seconds that an access token lives. */
export const ACCESS_TOKEN_S = 1_800;
const ISSUER = "parley";
const AUDIENCE = "parley:api";
const TYPE = "at+jwt";
const SECRET_BYTES_MIN = 32;

/** What an access token says: whose, of which session, and of which of its pairs. */
export interface AccessClaims {
  readonly userId: string;
  readonly sessionId: string;
  readonly generation: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

export interface RefreshClaims {
  readonly sessionId: string;
  readonly generation: number;
}

export interface Tokens {
  signAccess(claims: Omit<AccessClaims, "expiresAt">): Promise<string>;
  /** Null for anything that is not an access token of ours, `expired` for one whose time is over. */
  verifyAccess(token: string): Promise<AccessClaims | "expired" | null>;
  refreshToken(claims: RefreshClaims): string;
  /** Null unless we made it, however old it is; whether it may still be used is the session's to say. */
  verifyRefresh(token: string): RefreshClaims | null;
}

/** @param options.secret at least 32 random bytes, the same for the life of the data */
export function createTokens({ secret, clock }: { secret: Uint8Array; clock: Clock }): Tokens {
  if (secret.length < SECRET_BYTES_MIN) throw new Error(`the secret needs ${SECRET_BYTES_MIN} bytes or more`);
  const keyFor = (purpose: string) => Buffer.from(hkdfSync("sha256", secret, "", `parley ${purpose}`, 32));
  const accessKey = createSecretKey(keyFor("access tokens"));
  const refreshKey = keyFor("refresh tokens");
  const refreshMac = (text: string) => createHmac("sha256", refreshKey).update(text).digest("base64url");

  async function verifyAccess(token: string): Promise<AccessClaims | "expired" | null> {
    try {
      const { payload, protectedHeader } = await jwtVerify(token, accessKey, {
        algorithms: ["HS256"],
        typ: TYPE,
        issuer: ISSUER,
        audience: AUDIENCE,
        requiredClaims: ["exp", "sub", "sid", "generation"],
        currentDate: new Date(clock.now()),
      });
      // Ours carry these two fields; any other (jku, x5u, crit) would ask to be believed.
      if (Object.keys(protectedHeader).length !== 2) return null;
      const { sub, sid, generation, exp } = payload;
      if (typeof sub !== "string" || typeof sid !== "string" || !isCount(generation)) return null;
      return { userId: sub, sessionId: sid, generation, expiresAt: (exp as number) * 1_000 };
    } catch (error) {
      return error instanceof errors.JWTExpired ? "expired" : null;
    }
  }

  return {
    signAccess({ userId, sessionId, generation }) {
      const nowS = Math.floor(clock.now() / 1_000);
      return new SignJWT({ sid: sessionId, generation })
        .setProtectedHeader({ alg: "HS256", typ: TYPE })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(userId)
        .setIssuedAt(nowS)
        .setExpirationTime(nowS + ACCESS_TOKEN_S)
        .sign(accessKey);
    },
    verifyAccess,
    refreshToken({ sessionId, generation }) {
      const text = `${sessionId}.${generation}`;
      return `${text}.${refreshMac(text)}`;
    },
    verifyRefresh(token) {
      const parts = /^([0-9a-f-]{36})\.(\d{1,15})\.([A-Za-z0-9_-]{43})$/.exec(token);
      if (!parts) return null;
      const [, sessionId, generation, mac] = parts as unknown as [string, string, string, string];
      if (!isId(sessionId) || !isSameText(mac, refreshMac(`${sessionId}.${generation}`))) return null;
      return { sessionId, generation: Number(generation) };
    },
  };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Compares in constant time, whatever the lengths. */
export const isSameText = (a: string, b: string): boolean =>
  timingSafeEqual(hash("sha256", a, "buffer"), hash("sha256", b, "buffer"));

/** What a key looks like: `pk_`, its id, a dot, 43 characters of secret, 8 of checksum. */
const KEY =
  /^(pk_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12}))\.([A-Za-z0-9_-]{43})([0-9a-f]{8})$/;

export interface KeyToken {
  readonly id: string;
  readonly secret: string;
}

/** The text of an API key. @param secret 32 random bytes */
export function keyToken(id: string, secret: Uint8Array): { token: string; prefix: string; secret: string } {
  const prefix = `pk_${id.replaceAll("-", "")}`;
  const text = Buffer.from(secret).toString("base64url");
  return { token: `${prefix}.${text}${checksum(`${prefix}.${text}`)}`, prefix, secret: text };
}

/** Reads an API key; null for what cannot be one, by form or checksum, so no store is asked for it. */
export function readKeyToken(token: string): KeyToken | null {
  const parts = KEY.exec(token);
  if (!parts) return null;
  const [, prefix, a, b, c, d, e, secret, sum] = parts as unknown as string[];
  if (checksum(`${prefix}.${secret}`) !== sum) return null;
  return { id: `${a}-${b}-${c}-${d}-${e}`, secret: secret as string };
}

const checksum = (text: string) => crc32(text).toString(16).padStart(8, "0");
