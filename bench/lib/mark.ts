/** Stands once in every piece of a reply and nowhere else in a stream, so that counting it counts pieces. */
export const MARK = "~";
