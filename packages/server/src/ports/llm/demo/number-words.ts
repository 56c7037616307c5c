const units =
  "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen";
const tens = "twenty thirty forty fifty sixty seventy eighty ninety";

const small = new Map<string, number>([
  ...units.split(" ").map((word, i): [string, number] => [word, i]),
  ...tens.split(" ").map((word, i): [string, number] => [word, 20 + 10 * i]),
]);
const large = new Map<string, number>([
  ["thousand", 1e3],
  ["million", 1e6],
  ["billion", 1e9],
]);

const isNumberWord = (word: string | undefined): boolean =>
  word !== undefined && (small.has(word) || large.has(word) || word === "hundred");

/** Writes numbers in words as digits: "one hundred and five" is "105". Expects lower case. */
export function wordsToDigits(text: string): string {
  const parts = text.replace(/([a-z])-(?=[a-z])/g, "$1 ").split(/(\s+)/);
  const out: string[] = [];
  for (let i = 0; i < parts.length; i++) {
    const taken = takeNumber(parts, i);
    if (!taken) out.push(parts[i] ?? "");
    else {
      out.push(`${taken.value}${taken.tail}`);
      i = taken.last;
    }
  }
  return out.join("");
}

/** A number that begins at part `start`; parts are words and the space between them in turn. */
function takeNumber(parts: string[], start: number) {
  let total = 0;
  let group = 0;
  let last = -1;
  let tail = "";
  for (let i = start; i < parts.length; i += 2) {
    const [, word = "", after = ""] = /^([a-z]*)(.*)$/.exec(parts[i] ?? "") ?? [];
    const mayJoin = last >= 0 && word === "and" && group % 100 === 0 && group + total > 0;
    if (mayJoin && after === "" && small.has(/^[a-z]*/.exec(parts[i + 2] ?? "")?.[0] ?? "")) continue;
    const value = small.get(word);
    if (!isNumberWord(word) || (last < 0 && value === undefined)) break;
    if (value !== undefined) {
      // "Twenty five" is one number, "two five" and "five twenty" are two.
      const room = group % 100;
      if (last >= 0 && !(room === 0 || (room >= 20 && room % 10 === 0 && value > 0 && value < 10))) break;
      if (last >= 0 && room === 0 && group === 0 && total === 0) break;
      group += value;
    } else if (word === "hundred") {
      if (group === 0 || group > 99) break;
      group *= 100;
    } else {
      total += group * (large.get(word) ?? 1);
      group = 0;
    }
    last = i;
    tail = after;
    if (after !== "") break;
  }
  return last < 0 ? null : { value: total + group, last, tail };
}
