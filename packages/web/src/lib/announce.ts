import { createStore } from "./store.ts";

/** What screen readers say next; each text once. */
export const announced = createStore<{ text: string; count: number }>({ text: "", count: 0 });

export const announce = (text: string): void => announced.set(({ count }) => ({ text, count: count + 1 }));
