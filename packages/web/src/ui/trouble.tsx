import { strings } from "../strings.ts";
import { Button } from "./button.tsx";
import { Icon } from "./icons.tsx";

/** What went wrong and what to do, with a button to try again where that can help. */
export const Trouble = ({
  text,
  canRetry,
  onRetry,
}: {
  text: string;
  canRetry?: boolean;
  onRetry?(): void;
}) => (
  <div className="trouble" role="alert">
    <Icon name="alert" />
    <p>{text}</p>
    {canRetry && onRetry && <Button onClick={onRetry}>{strings.retry}</Button>}
  </div>
);
