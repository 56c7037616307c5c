import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** Write a CPU profile of the product's process to bench/data/profiles. */
    profile: { type: "boolean", default: false },
  },
});

export const options = { ...values, names: positionals };
