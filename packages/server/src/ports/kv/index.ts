import type { Clock } from "../../kit/clock.ts";
import type { Kv } from "./kv.ts";

export type { Kv } from "./kv.ts";

/** Opens the kv store that the settings name; without any it is the embedded one. */
export async function openKv({ clock }: { clock: Clock }): Promise<Kv> {
  const { createMemoryKv } = await import("./memory.ts");
  return createMemoryKv({ clock });
}
