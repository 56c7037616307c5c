import { hash } from "node:crypto";
import type { Api, Principal, realtime } from "@parley-chat/sdk/contract";
import type { Kv } from "../../ports/kv/kv.ts";

const TICKET_S = 30;
const TICKET_BYTES = 24;

export interface Realtime extends Api<typeof realtime> {
  /** Who asked for a ticket, once; null where it was used, has expired or never was. */
  takeTicket(ticket: string): Promise<Principal | null>;
}

/** Tickets for sockets: each opens one, as whoever asked for it. Only their hashes are kept. */
export function createRealtime({ kv, random }: { kv: Kv; random(bytes: number): Uint8Array }): Realtime {
  const keyOf = (ticket: string) => `ticket:${hash("sha256", ticket)}`;
  return {
    async createTicket(_, { principal }) {
      const ticket = Buffer.from(random(TICKET_BYTES)).toString("base64url");
      await kv.set(keyOf(ticket), JSON.stringify(principal), TICKET_S * 1_000);
      return { ticket, expires_in: TICKET_S };
    },
    async takeTicket(ticket) {
      const principal = await kv.take(keyOf(ticket));
      return principal === null ? null : (JSON.parse(principal) as Principal);
    },
  };
}
