import type { Client, Conversation } from "@parley-chat/sdk";
import { Problem } from "@parley-chat/sdk";
import { nearest } from "../../kit/nearest.ts";
import { StartError } from "../../kit/start-error.ts";
import { forOneLine } from "./plain-text.ts";
import type { Partner } from "./screen.ts";

const PAGE = 200;
/** A page is cut by bytes too: where cards are large it holds few of them. */
const LOOKED_AT_MAX = 2_000;

/** Those one can talk with: the newest 2,000. */
export async function listPartners(client: Client): Promise<Partner[]> {
  const all: Partner[] = [];
  let cursor: string | undefined;
  while (all.length < LOOKED_AT_MAX) {
    const { items, next_cursor } = await client.characters.list({ limit: PAGE, ...(cursor && { cursor }) });
    all.push(...items.map(({ id, name, owner_id }) => ({ id, name, ownerId: owner_id })));
    if (next_cursor === null) break;
    cursor = next_cursor;
  }
  return all;
}

/**
 * Those whom a typed name can mean: the one of that very name, else all whose name begins so, else all
 * who have a word that does. Throws a `StartError` that suggests the nearest name where nobody has it.
 */
export function partnersNamed(partners: readonly Partner[], wanted: string): Partner[] {
  const name = forCompare(wanted);
  const ways: ((candidate: string) => boolean)[] = [
    (candidate) => candidate === name,
    (candidate) => candidate.startsWith(name),
    (candidate) => candidate.split(" ").some((word) => word.startsWith(name)),
  ];
  for (const fits of ways) {
    const found = partners.filter((partner) => fits(forCompare(partner.name)));
    if (found.length > 0) return found;
  }
  const words = partners.flatMap((partner) => [partner.name, ...partner.name.split(/\s+/)]);
  const meant = nearest(wanted, words);
  const whole = meant === null ? undefined : partners.find((partner) => partner.name.includes(meant));
  const advice = whole
    ? `did you mean "${forOneLine(whole.name)}"?`
    : `there are ${listed(distinct(partners))}.`;
  throw new StartError(`No character is called "${forOneLine(wanted)}"; ${advice}`);
}

/** Those among which a person has to choose: of several of one very name, one's own and newest is meant. */
export function distinct(partners: readonly Partner[]): Partner[] {
  const byName = new Map<string, Partner>();
  for (const partner of partners) {
    const name = forCompare(partner.name);
    const other = byName.get(name);
    if (!other || (other.ownerId === null && partner.ownerId !== null)) byName.set(name, partner);
  }
  return [...byName.values()];
}

const forCompare = (name: string) => forOneLine(name).normalize("NFC").toLowerCase();

const LISTED_MAX = 12;

/** Names in a row, the first dozen. */
export function listed(partners: readonly Partner[]): string {
  const names = partners.slice(0, LISTED_MAX).map(({ name }) => forOneLine(name));
  const rest = partners.length - names.length;
  return names.join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

/** The conversation of last activity, of all or with one character; null where there is none. */
export async function latestConversation(client: Client, characterId?: string): Promise<Conversation | null> {
  let cursor: string | undefined;
  for (let lookedAt = 0; lookedAt < LOOKED_AT_MAX; ) {
    const { items, next_cursor } = await client.conversations.list({
      limit: PAGE,
      ...(cursor && { cursor }),
    });
    const found = items.find(
      ({ status, character_ids }) =>
        status === "active" && (characterId === undefined || character_ids.includes(characterId)),
    );
    if (found || next_cursor === null) return found ?? null;
    cursor = next_cursor;
    lookedAt += items.length;
  }
  return null;
}

/** Who takes part in a conversation; a character that was deleted keeps its place without a name. */
export async function partnerIn(client: Client, conversation: Conversation): Promise<Partner> {
  const id = conversation.character_ids[0] ?? "";
  try {
    const { name, owner_id } = await client.characters.get({ character_id: id });
    return { id, name, ownerId: owner_id };
  } catch (error) {
    if (error instanceof Problem && error.code === "not_found")
      return { id, name: "A deleted character", ownerId: null };
    throw error;
  }
}
