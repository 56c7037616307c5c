import { cassian } from "./cassian-thorne.ts";
import { juniper } from "./juniper-nine.ts";
import { ottoline } from "./ottoline-marsh.ts";
import type { Starter } from "./starter.ts";
import { tamsin } from "./tamsin-reed.ts";

/** The characters that come with Parley, all of them our own. */
export const starters: readonly Starter[] = [tamsin, juniper, ottoline, cassian];
