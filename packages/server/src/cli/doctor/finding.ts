/** What was found in one place: all is well, look at it some time, or it does not work. */
export interface Finding {
  name: string;
  status: "ok" | "warn" | "fail";
  /** What is so. */
  detail: string;
  /** What to do, where it is not well. */
  advice?: string;
}

export const ok = (name: string, detail: string): Finding => ({ name, status: "ok", detail });
export const warn = (name: string, detail: string, advice: string): Finding => ({
  name,
  status: "warn",
  detail,
  advice,
});
export const fail = (name: string, detail: string, advice: string): Finding => ({
  name,
  status: "fail",
  detail,
  advice,
});
