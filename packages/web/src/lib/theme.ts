import type { Kept } from "./kept.ts";
import { createStore, type Store } from "./store.ts";

export const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

/** The look that a person chose here; `system` follows the device. */
export function createTheme(
  kept: Kept,
  root: HTMLElement,
): { choice: Store<Theme>; choose(theme: Theme): void } {
  const choice = createStore<Theme>(kept.read<Theme>("theme") ?? "system");
  const show = () => {
    const theme = choice.get();
    if (theme === "system") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
  };
  show();
  return {
    choice,
    choose(theme) {
      choice.set(theme);
      kept.write("theme", theme === "system" ? undefined : theme);
      show();
    },
  };
}
