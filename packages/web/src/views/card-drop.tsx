/** Takes card files that are dropped anywhere on the page. */
export function CardDrop() {
  return null;
}

/** A button that takes card files. */
export function CardPicker() {
  return null;
}
