import { strings } from "../strings.ts";
import { IconButton } from "../ui/button.tsx";

/** Opens what stands at the side where there is room for it. */
export const MenuButton = ({ onClick }: { onClick(): void }) => (
  <IconButton className="menu-button" icon="menu" label={strings.sidebar.open} onClick={onClick} />
);
