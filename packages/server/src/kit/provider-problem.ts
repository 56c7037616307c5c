import { Problem, type ProblemDocument } from "@parley-chat/sdk/contract/problem";

/** Names of settings and addresses: what only those can use, and should see, who run the server. */
const OPERATORS_WORDS = /\b[A-Z]{2,}_[A-Z_]+\b|https?:\/\//;
const FOR_GUESTS =
  "The model does not answer as it should just now; whoever runs this server can see why. Try again later.";

const isOperators = ({ code, detail = "" }: { code: string; detail?: string | undefined }) =>
  code.startsWith("provider_") && OPERATORS_WORDS.test(detail);

/** A provider's problem as someone hears of it who is not the owner. */
export const problemForGuests = (problem: Problem): Problem =>
  isOperators(problem)
    ? new Problem(problem.code, FOR_GUESTS, {
        cause: problem,
        ...(problem.retryAfterS !== undefined && { retryAfterS: problem.retryAfterS }),
      })
    : problem;

/** The same for one that was written out. */
export const documentForGuests = (problem: ProblemDocument): ProblemDocument =>
  isOperators(problem) ? { ...problem, detail: FOR_GUESTS } : problem;
