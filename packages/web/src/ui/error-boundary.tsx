import { Component, type ReactNode } from "react";
import { strings } from "../strings.ts";
import { Button } from "./button.tsx";

/** A mistake of ours shows a way out instead of an empty page; drafts and unsent messages are kept. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError() {
    return { hasFailed: true };
  }

  override render() {
    if (!this.state.hasFailed) return this.props.children;
    return (
      <main className="alone">
        <h1>{strings.broken.title}</h1>
        <p>{strings.broken.text}</p>
        <Button look="main" onClick={() => location.reload()}>
          {strings.broken.reload}
        </Button>
      </main>
    );
  }
}
