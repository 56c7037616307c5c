import {
  type ComponentProps,
  type MouseEvent,
  type ReactNode,
  type RefObject,
  useLayoutEffect,
  useRef,
} from "react";
import { navigate } from "../lib/router.ts";
import { Icon, type IconName } from "./icons.tsx";

type PressProps = Omit<ComponentProps<"button">, "ref"> & { ref?: RefObject<HTMLButtonElement | null> };

const swallow = (event: MouseEvent) => event.preventDefault();

/**
 * A button that never lets the focus fall out of the page. While it is off it stays in its place and says so, and
 * a click on it does nothing, nor does Enter in its form; where it goes away, what is around it takes the focus.
 */
function Press({ disabled, onClick, ref, ...rest }: PressProps) {
  const own = useRef<HTMLButtonElement>(null);
  const button = ref ?? own;
  useLayoutEffect(() => {
    const element = button.current;
    return () => {
      if (element && element === document.activeElement) passFocus(element);
    };
  }, [button]);
  return (
    <button
      type="button"
      {...rest}
      ref={button}
      aria-disabled={disabled || undefined}
      onClick={disabled ? swallow : onClick}
    />
  );
}

/** Called while the button is still there; what takes the focus is what is left then, if nobody else took it. */
function passFocus(button: Element) {
  const around: HTMLElement[] = [];
  let place = button.parentElement;
  while (place) {
    if (place.tabIndex === -1 && place.hasAttribute("tabindex")) around.push(place);
    place = place.parentElement;
  }
  queueMicrotask(() => {
    if (document.activeElement !== document.body) return;
    around.find(({ isConnected }) => isConnected)?.focus({ preventScroll: true });
  });
}

type ButtonProps = PressProps & {
  look?: "main" | "plain" | "quiet" | "danger";
  icon?: IconName;
};

export const Button = ({ look = "plain", icon, children, className = "", ...rest }: ButtonProps) => (
  <Press className={`button ${look} ${className}`} {...rest}>
    {icon && <Icon name={icon} />}
    {children}
  </Press>
);

type IconButtonProps = Omit<PressProps, "children"> & { icon: IconName; label: string };

/** A button that shows a picture alone; its word is read out and shown as a tip. */
export const IconButton = ({ icon, label, className = "", ...rest }: IconButtonProps) => (
  <Press className={`icon-button ${className}`} aria-label={label} title={label} {...rest}>
    <Icon name={icon} />
  </Press>
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
