import { expect, test } from "vitest";
import { findSum } from "./arithmetic.ts";

const result = (sentence: string) => {
  const sum = findSum(sentence);
  return sum === null ? null : sum.kind === "result" ? sum.result : sum.why;
};

test.each([
  ["What is 12*7 + 3?", "87"],
  ["what's 2+2", "4"],
  ["2 + 2 = ?", "4"],
  ["2+2", "4"],
  ["Calculate (3 + 4) * 5 please", "35"],
  ["How much is 100 divided by 8?", "12.5"],
  ["Tell me what 7 times 6 is.", "42"],
  ["What is seven plus five?", "12"],
  ["twenty-five minus seventeen", "8"],
  ["What is one hundred and five times two?", "210"],
  ["What is two thousand three hundred and four plus one?", "2305"],
  ["compute 0.1 + 0.2", "0.3"],
  ["what is 10 / 3", "3.333333"],
  ["What is 2^10?", "1024"],
  ["what is 2 ** 0.5", "1.414214"],
  ["What is 5 squared?", "25"],
  ["3 to the power of 4?", "81"],
  ["What's the square root of 144?", "12"],
  ["What is 15% of 80?", "12"],
  ["what is 20 percent of 50", "10"],
  ["Multiply 6 by 7.", "42"],
  ["Can you add 19 and 23?", "42"],
  ["subtract 8 from 50", "42"],
  ["What is the sum of 3 and 4?", "7"],
  ["what is the difference between 10 and 4?", "6"],
  ["divide 84 by 2", "42"],
  ["What is half of 84?", "42"],
  ["double 21", "42"],
  ["What is 12 x 12?", "144"],
  ["what is 6×7", "42"],
  ["What is 84 ÷ 2?", "42"],
  ["what is 17 mod 5", "2"],
  ["What is 1,234 + 1?", "1235"],
  ["What is -5 + 3?", "-2"],
  ["what is 3 - -4", "7"],
  ["What is 2(3+4)?", "14"],
  ["What is 123456789 * 987654321?", "121932631112635269"],
  ["What is 1 - 0.9?", "0.1"],
  ["So, what is 8 over 4?", "2"],
  ["Is 3+4 equal to 7?", "7"],
  ["What is 2 + 3 * 4 - 6 / 2?", "11"],
  ["What is ((2 + 3) * (4 - 1)) ^ 2?", "225"],
  ["What's 7/0?", "division_by_zero"],
  ["what is 5 divided by zero?", "division_by_zero"],
  ["What is 1 / (2 - 2)?", "division_by_zero"],
  ["What is 9^99999999?", "too_large"],
  ["what is the square root of -4", "not_real"],
])("%s is worked out as %s", (sentence, expected) => {
  expect(result(sentence)).toBe(expected);
});

test.each([
  "Are you there 24/7?",
  "I was born on 2001-05-12.",
  "My number is 555-0199.",
  "I have 3 cats and 2 dogs.",
  "It takes 3-4 days.",
  "What is your name?",
  "We won 3:1!",
  "One of us is over there.",
  "What is 5?",
  "",
  "+ - *",
  "((((",
  "what is (2 + ",
  "How are you?",
])("%j holds no sum that was asked for", (sentence) => {
  expect(result(sentence)).toBeNull();
});

test("whatever is written, it is read in no time and without an error", () => {
  for (const piece of ["(", "1+", "one hundred and ", "√", "- ", "9^", ".", "1,", "%of", "what is "]) {
    expect(() => findSum(piece.repeat(400).slice(0, 500))).not.toThrow();
    expect(() => findSum(`what is ${piece.repeat(100)}1`)).not.toThrow();
  }
});
