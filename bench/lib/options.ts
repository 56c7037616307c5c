import { parseArgs } from "node:util";

const known = {
  /** Write a CPU profile of the product's process to bench/data/profiles. */
  profile: { type: "boolean", default: false },
  /** How long the soak takes. */
  minutes: { type: "string", default: "10" },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Ends with one sentence for whoever typed it. */
export function refuse(sentence: string): never {
  console.error(`bench: ${sentence}`);
  process.exit(1);
}

function read() {
  const { values, positionals, tokens } = parseArgs({
    options: known,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind !== "option" || Object.hasOwn(known, token.name)) continue;
    refuse(`There is no option ${token.rawName}; \`npm run bench\` lists what there is.`);
  }
  const minutes = Number(values.minutes);
  if (!(minutes >= 1 && minutes <= 600)) refuse("--minutes takes a number from 1 to 600.");
  return {
    profile: values.profile === true,
    minutes,
    isHelpWanted: values.help === true,
    names: positionals,
  };
}

export const options = read();
