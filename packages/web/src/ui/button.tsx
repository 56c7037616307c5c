import type { ComponentProps, MouseEvent, ReactNode } from "react";
import { navigate } from "../lib/router.ts";
import { Icon, type IconName } from "./icons.tsx";

type ButtonProps = ComponentProps<"button"> & {
  look?: "main" | "plain" | "quiet" | "danger";
  icon?: IconName;
};

export const Button = ({ look = "plain", icon, children, className = "", ...rest }: ButtonProps) => (
  <button type="button" className={`button ${look} ${className}`} {...rest}>
    {icon && <Icon name={icon} />}
    {children}
  </button>
);

type IconButtonProps = Omit<ComponentProps<"button">, "children"> & { icon: IconName; label: string };

/** A button that shows a picture alone; its word is read out and shown as a tip. */
export const IconButton = ({ icon, label, className = "", ...rest }: IconButtonProps) => (
  <button type="button" className={`icon-button ${className}`} aria-label={label} title={label} {...rest}>
    <Icon name={icon} />
  </button>
);

/** A link within the page; with a modifier key the browser does what it does with links. */
export function Link({ to, children, ...rest }: ComponentProps<"a"> & { to: string; children?: ReactNode }) {
  const go = (event: MouseEvent<HTMLAnchorElement>) => {
    rest.onClick?.(event);
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0)
      return;
    event.preventDefault();
    navigate(to);
  };
  return (
    <a href={to} {...rest} onClick={go}>
      {children}
    </a>
  );
}
