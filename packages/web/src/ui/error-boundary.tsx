import { Component, type ReactNode } from "react";
import { strings } from "../strings.ts";
import { Button } from "./button.tsx";

interface Props {
  children: ReactNode;
  /** What stands in the place of a part that could not be shown, so that the rest of the page goes on. */
  instead?: ReactNode;
}

/** A mistake of ours shows a way out instead of an empty page; drafts and unsent messages are kept. */
export class ErrorBoundary extends Component<Props, { hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError() {
    return { hasFailed: true };
  }

  override render() {
    if (!this.state.hasFailed) return this.props.children;
    if (this.props.instead !== undefined) return this.props.instead;
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
