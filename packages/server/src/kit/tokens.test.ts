import { expect, test } from "vitest";
import { createTokenCalibration, estimateTokens } from "./tokens.ts";

/** Counted with the published vocabularies: [text, cl100k_base, o200k_base]. */
const counted: [text: string, cl100k: number, o200k: number][] = [
  ["The quick brown fox jumps over the lazy dog.", 10, 10],
  ["antidisestablishmentarianism", 6, 6],
  ["2 + 2 = 4", 7, 7],
  ["お誕生日おめでとう", 9, 8],
  [
    '*The bell over the door is still swinging when she turns the key, draws the blind, and carries the parcel to the lamp as if it might be asleep.* "You saw him? Good coat, wrong boots, and he paid for the whole repair before I had said what it would cost."',
    60,
    60,
  ],
  ["lol ok so i was thinking... what if we just don't go?? idk, it'd be kinda rude tho :/ brb", 28, 26],
  [
    "In 2024 the population was 8,142,003,117; pi is 3.14159265358979 and the phone is +49 30 901820.",
    38,
    38,
  ],
  [
    "Die Donaudampfschifffahrtsgesellschaft hat gestern mitgeteilt, dass die Fahrpläne für den kommenden Winter überarbeitet werden müssen. Außerdem größere Schiffe.",
    45,
    34,
  ],
  [
    "Après avoir traversé la forêt, ils découvrirent un château où vivait une vieille dame très élégante qui parlait à ses chats.",
    35,
    28,
  ],
  [
    "Вчера вечером мы долго гуляли по берегу реки, а потом пошли ужинать в маленький ресторан недалеко от дома.",
    54,
    30,
  ],
  ["ذهبنا مساء أمس في نزهة طويلة على ضفة النهر ثم تناولنا العشاء في مطعم صغير بالقرب من البيت.", 63, 27],
  ["कल शाम हम नदी के किनारे बहुत देर तक टहलते रहे और फिर एक छोटे से रेस्तरां में खाना खाया।", 85, 28],
  ["昨天晚上我们沿着河边散步了很久，然后在一家小餐馆吃了晚饭。老板很热情，还送了我们一盘水果。", 63, 35],
  [
    "昨日の夜、私たちは川沿いを長い間散歩して、それから小さなレストランで夕食を食べました。とても美味しかったです。",
    57,
    41,
  ],
  [
    "어제 저녁에 우리는 강가를 오랫동안 산책하고 나서 작은 식당에서 저녁을 먹었습니다. 정말 맛있었어요.",
    60,
    33,
  ],
  ["Omg 😭😭 that's soooo cute!!! 💕 I can't even... haha 🤣", 23, 18],
  ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", 43, 43],
];

test.each(counted)("the estimate of %j lies near the true counts and is never far below", (text, cl, o) => {
  const estimate = estimateTokens(text);
  expect(estimate).toBeGreaterThanOrEqual(Math.floor(0.75 * cl));
  expect(estimate).toBeLessThanOrEqual(Math.ceil(1.3 * Math.max(cl, o)) + 1);
});

test("an empty text has no token, anything else at least one", () => {
  expect(estimateTokens("")).toBe(0);
  for (const text of ["a", "\n", "…", "7", "\ud83d", "\u0301"]) {
    expect(estimateTokens(text)).toBeGreaterThanOrEqual(1);
  }
});

test("the estimate grows in step with the text, whatever it is made of", () => {
  for (const piece of ["word ", "ab", "7", "?!", "字", "😀", " ", "\n", "é", "x1-"]) {
    const thousand = estimateTokens(piece.repeat(1_000));
    const tenThousand = estimateTokens(piece.repeat(10_000));
    expect(tenThousand / thousand).toBeGreaterThan(8);
    expect(tenThousand / thousand).toBeLessThan(12);
  }
});

test("calibration follows what the provider counts, within its bounds", () => {
  const calibration = createTokenCalibration();
  expect(calibration.factor("m")).toBe(1);
  calibration.learn("m", 1_000, 1_300);
  expect(calibration.factor("m")).toBeCloseTo(1.3);
  for (let i = 0; i < 50; i++) calibration.learn("m", 1_000, 900);
  expect(calibration.factor("m")).toBeCloseTo(0.9, 2);
  for (let i = 0; i < 100; i++) calibration.learn("m", 1_000, 1_000_000);
  expect(calibration.factor("m")).toBeLessThanOrEqual(2);
  for (let i = 0; i < 100; i++) calibration.learn("m", 1_000, 1);
  expect(calibration.factor("m")).toBeGreaterThanOrEqual(0.5);
  expect(calibration.factor("other")).toBe(1);
});

test("calibration ignores counts that make no sense and prompts too short to tell", () => {
  const calibration = createTokenCalibration();
  for (const [estimated, counted] of [
    [0, 10],
    [10, 20],
    [1_000, 0],
    [1_000, -5],
    [1_000, Number.NaN],
    [1_000, Number.POSITIVE_INFINITY],
    [Number.NaN, 10],
  ] as const) {
    calibration.learn("m", estimated, counted);
  }
  expect(calibration.factor("m")).toBe(1);
});

test("calibration holds a bounded number of models", () => {
  const calibration = createTokenCalibration();
  calibration.learn("first", 100, 150);
  for (let i = 0; i < 1_000; i++) calibration.learn(`m${i}`, 100, 110);
  expect(calibration.factor("first")).toBe(1);
  expect(calibration.factor("m999")).toBeCloseTo(1.1);
});
