import "@fontsource-variable/bricolage-grotesque/wght.css";
import "@fontsource-variable/literata/wght.css";
import "@fontsource-variable/literata/wght-italic.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/shell.css";
import "./styles/gallery.css";
import "./styles/chat.css";
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { browserStorage, createKept } from "./lib/kept.ts";
import { createSession } from "./lib/session.ts";
import { browserTabLock } from "./lib/tab-lock.ts";
import { createTheme } from "./lib/theme.ts";
import { ErrorBoundary } from "./ui/error-boundary.tsx";

const storage = browserStorage();
const kept = createKept(storage, "parley.");
const session = createSession({
  baseUrl: location.origin,
  fetch: (url, init) => fetch(url, init),
  kept,
  lock: browserTabLock(storage),
  channel: "BroadcastChannel" in window ? new BroadcastChannel("parley") : undefined,
  now: Date.now,
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
});
const theme = createTheme(kept, document.documentElement);

createRoot(document.getElementById("page") as HTMLElement).render(
  <ErrorBoundary>
    <App
      session={session}
      theme={theme}
      isRegistrationOpen={document.documentElement.dataset.registration === "open"}
    />
  </ErrorBoundary>,
);
