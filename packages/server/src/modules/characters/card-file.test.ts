import { CHARACTER_BYTES_MAX } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { badFiles, type CorpusFile, goodFiles } from "../../../test/cards/corpus.ts";
import { base64, cardPng, chunk, header, picture, pngOf, rows, text } from "../../../test/cards/make-png.ts";
import { type Png, pictureChunks, readPng, writePng } from "../../kit/png/chunks.ts";
import { keywordOf, textOf } from "../../kit/png/text.ts";
import { fieldsOf, fileOf } from "./card.ts";
import { type ReadFile, readCardFile, writeCardJson, writeCardPng } from "./card-file.ts";

const read = (file: Uint8Array, type: CorpusFile["type"]) => readCardFile({ file, type });

function again(first: ReadFile): ReadFile[] {
  const picture = first.picture ? writePng(first.picture.chunks) : blank;
  return [
    read(writeCardJson(first.card), "application/json"),
    read(writeCardPng(first.card, picture), "image/png"),
  ];
}
const blank = pngOf(header(1, 1), rows(1, 1), chunk("IEND"));

describe("a file that is taken", () => {
  for (const { name, type, bytes, expected } of goodFiles()) {
    if ("code" in expected) continue;
    test(name, () => {
      const first = read(bytes(), type);
      expect(first.report.format).toBe(expected.format);
      // What only the picture's rows tell is found where they are unpacked.
      const warnings = expected.warnings.filter((code) => code !== "picture_not_kept");
      expect(first.report.warnings.map(({ code }) => code)).toEqual(warnings);
      for (const warning of first.report.warnings) expect(warning.message).toMatch(/\w/);
      if (expected.card) expect(fileOf(first.card)).toMatchObject(expected.card);
      for (const second of again(first)) {
        expect(fieldsOf(second.card)).toEqual(fieldsOf(first.card));
        expect(fileOf(second.card)).toEqual(fileOf(first.card));
      }
    });
  }
});

describe("a file that is refused, with one sentence", () => {
  for (const { name, type, bytes, expected } of badFiles()) {
    // Too large a body does not come as far as here.
    if (!("code" in expected) || expected.code !== "invalid_card") continue;
    test(name, () => {
      let refusal: unknown;
      try {
        read(bytes(), type);
      } catch (error) {
        refusal = error;
      }
      expect(refusal).toBeInstanceOf(Problem);
      const { code, detail } = refusal as Problem;
      expect({ code, detail }).toEqual({
        code: "invalid_card",
        detail: expect.stringMatching(expected.says),
      });
      expect(detail).toMatch(/^[^.\n]([^\n]){10,400}\.$/u);
    });
  }
});

test("nothing but the picture is left of a picture: no text, no hidden part, no byte behind its end", () => {
  const file = Buffer.concat([
    pngOf(
      header(40, 60),
      text("tEXt", "chara", base64({ name: "secret", description: "" })),
      text("iTXt", "Comment", "secret"),
      chunk("eXIf", "secret"),
      chunk("prIv", "secret"),
      chunk("pHYs", "secret and more"),
      chunk("gAMA", "abcd"),
      chunk("gAMA", "secr"),
      rows(40, 60),
      chunk("tIME", "secret"),
      chunk("IEND", "secret"),
    ),
    Buffer.from("secret"),
  ]);
  const { chunks } = read(file, "image/png").picture as Png;
  expect(chunks.map(({ type }) => type)).toEqual(["IHDR", "gAMA", "IDAT", "IEND"]);
  const kept = writePng(chunks);
  expect(Buffer.from(kept).includes("secr")).toBe(false);
});

test("of a large older copy it is told that it was not compared, and the same copy twice is read once", () => {
  const large = {
    ...{ spec: "chara_card_v3", spec_version: "3.0" },
    data: { name: "A", first_mes: "x".repeat(999_999) },
  };
  const codes = (older: object) =>
    read(
      picture(text("tEXt", "chara", base64(older)), text("tEXt", "ccv3", base64(large))),
      "image/png",
    ).report.warnings.map(({ code }) => code);
  expect(codes(large)).toEqual([]);
  expect(codes({ ...large, spec: "chara_card_v2" })).toEqual(["copies_not_compared"]);
});

test("a V3 card leaves with a copy for older readers, without fields and decorators of V3", () => {
  const entries = [{ keys: ["k"], content: "@@depth 1\n@@@role user\nIt is old.\n@@kept" }];
  const card = {
    spec: "chara_card_v3",
    spec_version: "3.0",
    data: { name: "A", nickname: "B", character_book: { entries } },
  };
  const { chunks } = readPng(writeCardPng(read(cardPng(card, "ccv3"), "image/png").card, blank));
  const [older] = chunks.filter((one) => keywordOf(one) === "chara");
  if (!older) throw new Error("no older copy");
  const { spec, data } = JSON.parse(
    Buffer.from(Buffer.from(textOf(older, 1e6)).toString("latin1"), "base64").toString(),
  );
  expect([spec, data.nickname, data.character_book.entries[0].content]).toEqual([
    "chara_card_v2",
    undefined,
    "It is old.\n@@kept",
  ]);
});

test("the largest card that can be made can be exported as JSON and taken again", () => {
  const data = {
    name: "A",
    description: "Ƶ".repeat(900_000),
    alternate_greetings: Array(14).fill("x".repeat(1_000_000)),
  };
  const card = read(
    Buffer.from(JSON.stringify({ spec: "chara_card_v2", spec_version: "2.0", data })),
    "application/json",
  );
  const file = writeCardJson(card.card);
  expect(file.length).toBeLessThan(CHARACTER_BYTES_MAX);
  expect(read(file, "application/json").card).toEqual({
    ...card.card,
    data: (fileOf(card.card) as { data: object }).data,
  });
});

test("a card of many small parts is exported in about its own size, and taken again", () => {
  let extensions: unknown = Array(60_000).fill(1);
  for (let depth = 0; depth < 60; depth++) extensions = [extensions];
  const data = { name: "A", extensions: { own: extensions } };
  const sent = Buffer.from(JSON.stringify({ spec: "chara_card_v2", spec_version: "2.0", data }));
  const card = read(sent, "application/json");
  const file = writeCardJson(card.card);
  expect(file.length).toBeLessThan(2 * sent.length);
  expect(fileOf(read(file, "application/json").card)).toEqual(fileOf(card.card));
});

test("a picture leaves out the older copy of a card that is too large for two, and says where one is too large", () => {
  const v3 = (description: number) => ({
    spec: "chara_card_v3",
    spec_version: "3.0",
    data: { name: "A", alternate_greetings: Array(description).fill("x".repeat(1_000_000)) },
  });
  const cardOf = (millions: number) =>
    read(Buffer.from(JSON.stringify(v3(millions))), "application/json").card;
  for (const [millions, copies] of [
    [2, 2],
    [7, 1],
  ] as const) {
    const file = writeCardPng(cardOf(millions), blank);
    expect(readPng(file).chunks.filter((chunk) => keywordOf(chunk) !== null)).toHaveLength(copies);
    expect(file.length).toBeLessThan(CHARACTER_BYTES_MAX);
    expect(fileOf(read(file, "image/png").card)).toEqual(fileOf(cardOf(millions)));
  }
  expect(() => writeCardPng(cardOf(13), blank)).toThrow("export it as JSON");
});

test("whatever JSON stands in a card and around it, import, export and import give the same card", () => {
  const json = fc.jsonValue({ maxDepth: 4 });
  const known = fc.record(
    {
      name: fc.constant("Mira"),
      description: fc.oneof(fc.string(), json),
      tags: fc.oneof(fc.array(fc.string()), json),
      character_book: fc.record({
        entries: fc.array(fc.oneof(json, fc.record({ keys: fc.array(fc.string()), content: fc.string() }))),
      }),
      extensions: fc.dictionary(fc.string(), json),
    },
    { requiredKeys: ["name"] },
  );
  const card = fc.record({
    spec: fc.constantFrom("chara_card_v2", "chara_card_v3", "chara_card_v4"),
    spec_version: fc.oneof(fc.constantFrom("2.0", "3.0"), json),
    data: fc
      .tuple(fc.dictionary(fc.string(), json), known)
      .map(([unknown, fields]) => ({ ...unknown, ...fields })),
  });
  fc.assert(
    fc.property(card, fc.dictionary(fc.string(), json), (inner, around) => {
      const file = JSON.parse(JSON.stringify({ ...around, ...inner }));
      let first: ReadFile;
      try {
        first = read(picture(text("tEXt", "chara", base64(file))), "image/png");
      } catch (error) {
        expect((error as Problem).code).toBe("invalid_card");
        expect(JSON.stringify(file)).toMatch(/__proto__|\\u0000|\\ud[89a-f]/);
        return;
      }
      const exported = fileOf(first.card);
      expect(exported).toMatchObject({ ...file, spec_version: exported.spec_version });
      for (const second of again(first)) expect(fileOf(second.card)).toEqual(exported);
    }),
  );
});

test("whatever is done to the bytes of a file, it is taken or refused, and never anything else", () => {
  const whole = cardPng({ name: "A", description: "B" });
  const change = fc.record({ at: fc.nat(whole.length - 1), byte: fc.nat(255), length: fc.nat(whole.length) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.boolean(), (changes, isCrcRight) => {
      let file = Buffer.from(whole);
      for (const { at, byte, length } of changes) {
        if (length < 20) file = file.subarray(0, at);
        else if (at < file.length) file[at] = byte;
      }
      try {
        read(isCrcRight ? withRightChecksums(file) : file, "image/png");
      } catch (error) {
        expect((error as Problem).code).toBe("invalid_card");
      }
    }),
    { numRuns: 500 },
  );
});

/** The same chunks under checksums that fit, as far as they can be told apart. */
function withRightChecksums(file: Buffer): Uint8Array {
  const chunks = [];
  for (let at = 8; at + 12 <= file.length; ) {
    const length = Math.min(file.readUInt32BE(at), file.length - at - 12);
    chunks.push({
      type: file.toString("latin1", at + 4, at + 8),
      data: file.subarray(at + 8, at + 8 + length),
    });
    at += 12 + length;
  }
  return writePng(pictureChunks(chunks).length > 1 ? chunks : pictureChunks(readPng(blank).chunks));
}
