import type { User } from "@parley-chat/sdk";
import { useEffect, useState } from "react";
import { announced } from "./lib/announce.ts";
import { navigate, paths, routeOf, usePath } from "./lib/router.ts";
import { sentenceOf } from "./lib/sentence.ts";
import type { PageSession } from "./lib/session.ts";
import { useStore } from "./lib/store.ts";
import type { createTheme } from "./lib/theme.ts";
import { createStores, type Stores, StoresContext } from "./stores/stores.ts";
import { strings } from "./strings.ts";
import { Trouble } from "./ui/trouble.tsx";
import { Shell } from "./views/shell.tsx";
import { SignIn } from "./views/sign-in.tsx";
import { ThemeContext } from "./views/theme-context.ts";

type Theme = ReturnType<typeof createTheme>;

export function App(props: { session: PageSession; theme: Theme; isRegistrationOpen: boolean }) {
  const { session, theme, isRegistrationOpen } = props;
  return (
    <ThemeContext value={theme}>
      <Entrance session={session} isRegistrationOpen={isRegistrationOpen} />
      <Announcer />
    </ThemeContext>
  );
}

function Entrance({ session, isRegistrationOpen }: { session: PageSession; isRegistrationOpen: boolean }) {
  const state = useStore(session.state);
  const route = routeOf(usePath());
  const link = useLinkCode(session);
  const user = state.status === "signed_in" ? state.user : null;
  const stores = useStoresOf(session, user);

  if (link.status === "working" || state.status === "starting") return <Splash />;
  if (state.status === "unreachable") {
    return (
      <main className="alone">
        <h1>{strings.brand}</h1>
        <Trouble {...sentenceOf(state.error)} canRetry onRetry={() => void session.resume()} />
      </main>
    );
  }
  if (!user || link.status === "failed") {
    const hasExpired = state.status === "signed_out" && state.hasExpired;
    return (
      <SignIn
        session={session}
        user={user}
        isRegistrationOpen={isRegistrationOpen}
        linkError={link.status === "failed" ? link.error : undefined}
        error={state.status === "signed_out" ? state.error : undefined}
        hasExpired={hasExpired}
        onContinue={link.forget}
      />
    );
  }
  if (!stores) return <Splash />;
  return (
    <StoresContext value={stores} key={user.id}>
      <Shell route={route.name === "sign_in" ? { name: "gallery" } : route} user={user} />
    </StoresContext>
  );
}

/** Made once for each person, for another's data has nothing in common with the one's before. */
function useStoresOf(session: PageSession, user: User | null): Stores | null {
  const [stores, setStores] = useState<Stores | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a changed name makes no other person
  useEffect(() => {
    if (!user) return;
    const made = createStores(session, user);
    setStores(made);
    return () => {
      setStores(null);
      made.close();
    };
  }, [session, user?.id]);
  return stores?.user.id === user?.id ? stores : null;
}

type LinkState = { status: "none" } | { status: "working" } | { status: "failed"; error: unknown };

/** Signs in by the code of a sign-in link, which is taken out of the address at once: it must not stay in the history. */
function useLinkCode(session: PageSession): LinkState & { forget(): void } {
  const [link, setLink] = useState<LinkState>({ status: "working" });
  useEffect(() => {
    const enter = async () => {
      const code = new URLSearchParams(location.hash.slice(1)).get("code");
      if (location.pathname !== paths.signIn || !code) {
        if (session.state.get().status === "starting") await session.resume();
        setLink((old) => (old.status === "working" ? { status: "none" } : old));
        return;
      }
      history.replaceState(null, "", location.pathname);
      setLink({ status: "working" });
      try {
        await session.signInByCode(code);
        navigate(paths.gallery, { replace: true });
        setLink({ status: "none" });
      } catch (error) {
        await session.resume();
        setLink({ status: "failed", error });
      }
    };
    void enter();
    // Another link opened in this tab changes only what follows the #.
    const onHash = () => void enter();
    window.addEventListener("hashchange", onHash);
    return () => window.removeEventListener("hashchange", onHash);
  }, [session]);
  const forget = () => {
    navigate(paths.gallery, { replace: true });
    setLink({ status: "none" });
  };
  return { ...link, forget };
}

const Splash = () => (
  <main className="alone" aria-busy="true">
    <p className="splash">{strings.brand}</p>
    <p className="unseen" role="status">
      {strings.loading}
    </p>
  </main>
);

/** One place for all that is only said. */
function Announcer() {
  const { text, count } = useStore(announced);
  return (
    <div className="unseen" role="status" aria-live="polite">
      <span key={count}>{text}</span>
    </div>
  );
}
