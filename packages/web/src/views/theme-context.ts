import { createContext } from "react";
import type { createTheme } from "../lib/theme.ts";

export const ThemeContext = createContext<ReturnType<typeof createTheme> | null>(null);
