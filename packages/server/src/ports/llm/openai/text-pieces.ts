/**
 * Hands on text in pieces that each are well-formed UTF-16 without NUL. The first half of a surrogate
 * pair at the end of a piece waits for the next; what is no character becomes U+FFFD.
 */
export function createTextPieces(onText: (text: string) => void) {
  let half = "";
  return {
    push(text: string): void {
      let piece = half === "" ? text : half + text;
      half = "";
      if (isHighSurrogate(piece.charCodeAt(piece.length - 1))) {
        half = piece.slice(-1);
        piece = piece.slice(0, -1);
      }
      if (piece !== "") onText(clean(piece));
    },
    /** No more text comes: half a pair that still waits is none. */
    end(): void {
      if (half !== "") onText("\ufffd");
      half = "";
    },
  };
}

const isHighSurrogate = (unit: number): boolean => (unit & 0xfc00) === 0xd800;

const clean = (text: string): string => {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed();
  return wellFormed.includes("\0") ? wellFormed.replaceAll("\0", "\ufffd") : wellFormed;
};
