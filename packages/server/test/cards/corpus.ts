/**
 * Card files in many carriers and many states of damage, made by this script so that none has to be
 * stored. Each says what an import must make of it.
 */
import { randomBytes } from "node:crypto";
import { deflateSync } from "node:zlib";
import { base64, type Carrier, cardPng, chunk, header, picture, pngOf, rows, text } from "./make-png.ts";
import { v1, v2, v3 } from "./samples.ts";

export interface CorpusFile {
  readonly name: string;
  readonly type: "image/png" | "application/json";
  /** Made when it is needed: some are large. */
  bytes(): Buffer;
  readonly expected: Taken | Refused;
}

interface Taken {
  readonly format: "chara_card_v1" | "chara_card_v2" | "chara_card_v3";
  /** Codes of the report's warnings, in order. */
  readonly warnings: readonly string[];
  /** The whole card as it must be exported again, apart from defaults. */
  readonly card?: object;
}
interface Refused {
  readonly code: "invalid_card" | "payload_too_large";
  /** In the one sentence. */
  readonly says: RegExp;
}

const MIB = 1024 * 1024;

const asV2 = { ...v1, spec: undefined };

const json = (name: string, make: () => string | Buffer, expected: CorpusFile["expected"]): CorpusFile => ({
  name: `json: ${name}`,
  type: "application/json",
  bytes: () => Buffer.from(make() as string),
  expected,
});
const png = (name: string, bytes: () => Buffer, expected: CorpusFile["expected"]): CorpusFile => ({
  name: `png: ${name}`,
  type: "image/png",
  bytes,
  expected,
});
const taken = (format: Taken["format"], card?: object, warnings: string[] = []): Taken => ({
  format,
  warnings,
  ...(card && { card }),
});
const refused = (says: RegExp, code: Refused["code"] = "invalid_card"): Refused => ({ code, says });

const cards = [
  ["V1", v1, taken("chara_card_v1", { spec: "chara_card_v2", spec_version: "2.0", data: v1 })],
  ["V2", v2, taken("chara_card_v2", v2)],
  ["V3", v3, taken("chara_card_v3", v3)],
] as const;

/** Files that must be taken, with everything in them. */
export function* goodFiles(): Generator<CorpusFile> {
  for (const [name, card, expected] of cards) {
    yield json(name, () => JSON.stringify(card), expected);
    yield json(
      `${name} with a byte order mark and spaces`,
      () => `\ufeff\n ${JSON.stringify(card, null, 4)}\n`,
      expected,
    );
    for (const carrier of ["tEXt", "zTXt", "iTXt", "iTXt packed"] satisfies Carrier[]) {
      for (const keyword of ["chara", "ccv3", "Chara"]) {
        yield png(
          `${name} in ${carrier} ${keyword}`,
          () => picture(text(carrier, keyword, base64(card))),
          expected,
        );
      }
      yield png(
        `${name} bare in ${carrier}`,
        () => picture(text(carrier, "chara", JSON.stringify(card))),
        expected,
      );
    }
    const wrapped = () => base64(card).replace(/.{76}/g, "$&\r\n");
    yield png(`${name} in wrapped base64`, () => picture(text("tEXt", "chara", wrapped())), expected);
    const forUrls = () => Buffer.from(JSON.stringify(card)).toString("base64url");
    yield png(`${name} in base64 for URLs`, () => picture(text("tEXt", "chara", forUrls())), expected);
    const behind = () =>
      pngOf(header(40, 60), rows(40, 60), text("tEXt", "chara", base64(card)), chunk("IEND"));
    yield png(`${name} behind the rows`, behind, expected);
  }
  const both = (older: object) =>
    picture(text("tEXt", "chara", base64(older)), text("tEXt", "ccv3", base64(v3)));
  yield png("both copies, alike", () => both(v2), taken("chara_card_v3", v3));
  const edited = { ...v2, data: { ...v2.data, description: "Edited." } };
  yield png("both copies, not alike", () => both(edited), taken("chara_card_v3", v3, ["copies_differ"]));
  const broken = () => picture(text("tEXt", "chara", "%"), text("tEXt", "ccv3", base64(v3)));
  yield png("the older copy broken", broken, taken("chara_card_v3", v3, ["copy_damaged"]));
  const withAsset = () =>
    picture(text("tEXt", "chara-ext-asset_:1", "AAAA"), text("tEXt", "ccv3", base64(v3)));
  yield png("with files inside", withAsset, taken("chara_card_v3", v3, ["assets_not_kept"]));
  for (const bytes of [1, 100_000]) {
    const behind = () => Buffer.concat([cardPng(v2), Buffer.alloc(bytes, "PK\x03\x04<script>")]);
    yield png(`with ${bytes} bytes behind its end`, behind, taken("chara_card_v2", v2, ["trailing_data"]));
  }
  yield* oddPictures();
  yield* oddCards();
}

function* oddPictures(): Generator<CorpusFile> {
  const channels = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 } as const;
  const depths = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] } as const;
  for (const type of [0, 2, 3, 4, 6] as const) {
    for (const depth of depths[type]) {
      const make = () => {
        const row = Buffer.alloc(Math.ceil((400 * depth * channels[type]) / 8), 0x5a);
        const filtered = Array.from({ length: 50 }, (_, y) => Buffer.concat([Buffer.from([y % 5]), row]));
        const packed = deflateSync(Buffer.concat(filtered));
        const palette = type === 3 ? [chunk("PLTE", Buffer.alloc(768, 0x33))] : [];
        return pngOf(
          header(400, 50, depth, type),
          ...palette,
          text("tEXt", "chara", base64(v2)),
          chunk("IDAT", packed),
          chunk("IEND"),
        );
      };
      yield png(`kind ${type} of ${depth} bits`, make, taken("chara_card_v2", v2));
    }
  }
  const interlaced = () =>
    pngOf(
      header(8, 8, 8, 2, 1),
      text("tEXt", "chara", base64(v2)),
      chunk("IDAT", deflateSync(Buffer.alloc(207))),
      chunk("IEND"),
    );
  yield png("interlaced", interlaced, taken("chara_card_v2", v2));
  const frame = Buffer.alloc(26);
  frame.writeUInt32BE(8, 4);
  frame.writeUInt32BE(8, 8);
  const animated = () =>
    pngOf(
      header(8, 8),
      chunk("acTL", Buffer.from([0, 0, 0, 1, 0, 0, 0, 0])),
      text("tEXt", "chara", base64(v2)),
      rows(8, 8),
      chunk("fcTL", frame),
      chunk("fdAT", Buffer.concat([Buffer.from([0, 0, 0, 1]), Buffer.from("hidden and no frame")])),
      chunk("IEND"),
    );
  yield png("animated", animated, taken("chara_card_v2", v2, ["animation_not_kept"]));
  const unreadable = (...rest: Buffer[]) =>
    pngOf(header(40, 60), text("tEXt", "chara", base64(v2)), ...rest, chunk("IEND"));
  const notKept = taken("chara_card_v2", v2, ["picture_not_kept"]);
  yield png("rows that cannot be unpacked", () => unreadable(chunk("IDAT", "nonsense")), notKept);
  yield png("rows that end too early", () => unreadable(rows(40, 59)), notKept);
  yield png(
    "rows of no known filter",
    () => unreadable(chunk("IDAT", deflateSync(Buffer.alloc(60 * 121, 9)))),
    notKept,
  );
  const many = () => unreadable(rows(40, 60), ...Array.from({ length: 15_000 }, () => chunk("tIME")));
  yield png("15,000 parts", many, taken("chara_card_v2", v2));
  const bomb = () => unreadable(chunk("IDAT", deflateSync(Buffer.alloc(64 * MIB))));
  yield png("far more rows than it says", bomb, notKept);
}

function* oddCards(): Generator<CorpusFile> {
  const whole = (data: object, around: object = {}) =>
    JSON.stringify({
      spec: "chara_card_v2",
      spec_version: "2.0",
      ...around,
      data: { name: "Mira", ...data },
    });
  const notUsed = (count: number) => taken("chara_card_v2", undefined, Array(count).fill("field_not_used"));
  yield json(
    "newer than we know",
    () => whole({}, { spec: "chara_card_v3", spec_version: "3.1" }),
    taken("chara_card_v3", undefined, ["newer_version"]),
  );
  yield json(
    "no specification",
    () => '{"data":{"name":"Mira"}}',
    taken("chara_card_v2", undefined, ["repaired", "repaired"]),
  );
  yield json(
    "a version that is a number",
    () => whole({}, { spec_version: 2 }),
    taken("chara_card_v2", undefined, ["repaired"]),
  );
  yield json(
    "fields of wrong types",
    () => whole({ description: null, tags: "a, b", personality: 7 }),
    notUsed(3),
  );
  yield json(
    "optional fields that are null",
    () => whole({ character_book: null, nickname: null }),
    notUsed(0),
  );
  yield json("items of wrong types", () => whole({ tags: ["a", 7, null, "b"] }), notUsed(2));
  const entries = [{ keys: ["a"], content: "b" }, { keys: "a", content: "b" }, { content: "c" }, null, 7];
  yield json("entries of wrong types", () => whole({ character_book: { entries } }), notUsed(4));
  yield json("a book without entries", () => whole({ character_book: { name: "x" } }), notUsed(1));
  const nested = () => whole({ extensions: { x: JSON.parse(`${"[".repeat(90)}${"]".repeat(90)}`) } });
  yield json("deep, but not too deep", nested, notUsed(0));
  yield json(
    "fields called constructor and prototype",
    () => whole({ constructor: { prototype: { x: 1 } } }),
    notUsed(0),
  );
  yield json(
    "V1 with fields of its own",
    () => JSON.stringify({ ...asV2, avatar: "none", chat: "x", visibility: "public" }),
    taken("chara_card_v1"),
  );
  yield json(
    "V1 with fields of a later form's names",
    () => JSON.stringify({ ...asV2, data: "x", spec_version: "2.0" }),
    taken("chara_card_v1", undefined, ["field_not_kept", "field_not_kept"]),
  );
  yield json(
    "whole numbers that no number stands for",
    () =>
      whole({}).replace(
        "{",
        '{"id":12345678901234567890,"kept":9007199254740992,"text":"12345678901234567890",',
      ),
    taken("chara_card_v2", undefined, ["number_changed"]),
  );
}

const damaged = /damaged|no card|holds no|not a PNG|is empty/;

/** Files that must be refused with one sentence. */
export function* badFiles(): Generator<CorpusFile> {
  yield* badJson();
  yield* badPictures();
  yield* badTexts();
}

function* badJson(): Generator<CorpusFile> {
  const bodies: [string, () => string | Buffer, RegExp?][] = [
    ["nothing but spaces", () => "  "],
    ["no JSON", () => "hello"],
    ["null", () => "null"],
    ["a list", () => "[]"],
    ["an empty object", () => "{}"],
    ["a name alone", () => '{"name":"Mira"}'],
    ["a lorebook", () => '{"spec":"lorebook_v3","data":{"entries":[]}}', /lorebook/],
    ["another specification", () => '{"spec":"toString","data":{"name":"a"}}', /toString/],
    ["data that is a list", () => '{"spec":"chara_card_v2","data":[]}'],
    ["no name", () => '{"spec":"chara_card_v2","data":{}}', /name/],
    ["a blank name", () => '{"spec":"chara_card_v2","data":{"name":" \u200b"}}', /name/],
    ["a name of wrong type", () => '{"spec":"chara_card_v2","data":{"name":["a"]}}', /name/],
    ["a name too long", () => JSON.stringify({ ...v1, name: "n".repeat(201) }), /name/],
    ["cut short", () => JSON.stringify(v2).slice(0, -40)],
    ["twice", () => JSON.stringify(v2).repeat(2)],
    ["UTF-16", () => Buffer.from(JSON.stringify(v2), "utf16le")],
    ["Latin-1", () => Buffer.from('{"name":"M\u00fcller","description":""}', "latin1")],
    ["half a surrogate pair", () => '{"name":"a","description":"\\ud800"}', /surrogate/],
    ["NUL", () => '{"name":"a","description":"\\u0000"}', /NUL/],
    ["a prototype", () => '{"name":"a","description":"","__proto__":{"x":1}}', /__proto__/],
    [
      "a prototype inside",
      () => '{"spec":"chara_card_v2","data":{"name":"a","extensions":{"__proto__":{}}}}',
      /__proto__/,
    ],
    ["a number too large", () => '{"name":"a","description":"","x":1e999}', /too large/],
    ["101 deep", () => `{"name":"a","description":"","x":${"[".repeat(101)}${"]".repeat(101)}}`, /deep/],
    ["16 MiB deep", () => "[".repeat(16 * MIB - 1), /deep/],
    [
      "millions of items",
      () => `{"name":"a","description":"","x":[${"0,".repeat(8 * MIB - 50)}0]}`,
      /more than/,
    ],
    [
      "millions of objects",
      () => `{"name":"a","description":"","x":[${"{},".repeat(5 * MIB)}0]}`,
      /more than/,
    ],
    ["16 MiB of one text, unended", () => `{"name":"${"Ƶ".repeat(8 * MIB - 20)}`],
    [
      "16 MiB of one text, blank name",
      () => `{"name":" ","description":"${"Ƶ".repeat(8 * MIB - 30)}"}`,
      /longer/,
    ],
    [
      "16 MiB of plain text beside one letter",
      () => `{"name":" ","x":"Ƶ","y":"${"x".repeat(16 * MIB - 50)}"}`,
      /longer/,
    ],
    ["16 MiB behind one letter", () => `{"name":"a","x":"Ƶ${"x".repeat(16 * MIB - 50)}"}`, /longer/],
    [
      "16 MiB behind one letter, a bracket missing",
      () => `{"name":"a","description":"","x":[${`"Ƶ${"x".repeat(2 * MIB - 50)}",`.repeat(8)}0`,
      /not valid JSON/,
    ],
    [
      "16 MiB of wide texts, no card",
      () => `{"x":[${`"Ƶ${"x".repeat(2 * MIB - 50)}",`.repeat(8)}0]}`,
      damaged,
    ],
    [
      "a field of more than a million letters",
      () => JSON.stringify({ ...v1, scenario: "x".repeat(1_000_001) }),
      /scenario may have at most 1000000/,
    ],
    [
      "a greeting of more than a million letters",
      () => JSON.stringify({ ...v1, alternate_greetings: ["", "x".repeat(1_000_001)] }),
      /alternate_greetings may have at most 1000000/,
    ],
    [
      "16 MiB of plain text beside one letter, blank name",
      () => `{"name":" ","description":"Ƶ","y":[${`"${"x".repeat(3 * MIB)}",`.repeat(5)}0]}`,
      /name/,
    ],
    [
      "16 MiB of texts",
      () => `{"name":" ","description":"Ƶ","y":[${`"${"x".repeat(120)}",`.repeat(124_000)}0]}`,
      /name/,
    ],
    [
      "16 MiB of texts that are wide themselves",
      () => `{"name":" ","description":"","y":[${`"Ƶ${"x".repeat(118)}",`.repeat(124_000)}0]}`,
      /name/,
    ],
    [
      "16 MiB of wide texts with escapes, 97 deep",
      () =>
        `{"name":" ","description":"","y":${"[".repeat(96)}${`"Ƶ\\n${"x".repeat(3_900_000)}",`.repeat(4)}0${"]".repeat(96)}}`,
      /name/,
    ],
    [
      "15 MiB of small objects",
      () =>
        `{"name":" ","description":"","y":[${`{"aaaaaaaaaaaaaa":"Ƶ${"x".repeat(230)}"},`.repeat(62_000)}0]}`,
      /name/,
    ],
    [
      "2 MiB of long numbers",
      () => `{"name":" ","description":"","y":[${"1.2345678901234567e300,".repeat(124_000)}0]}`,
      /name/,
    ],
    [
      "2 MiB of long whole numbers",
      () => `{"name":" ","description":"","y":[${"100000000000000000000,".repeat(124_000)}0]}`,
      /name/,
    ],
    [
      "16 MiB of names",
      () =>
        `{"name":" ","description":"Ƶ","y":{${Array.from({ length: 240_000 }, (_, i) => `"${String(i).padEnd(60, "x")}":0`).join(",")}}}`,
      /more than/,
    ],
    ["16 MiB of quotes", () => '"'.repeat(16 * MIB)],
    [
      "16 MiB of escapes in one text",
      () => `{"name":" ","description":"${'\\"'.repeat(8 * MIB - 30)}"}`,
      /longer/,
    ],
    [
      "15 MiB of escapes",
      () => `{"name":" ","description":"Ƶ","y":[${`"${'\\"'.repeat(1_950_000)}",`.repeat(4)}0]}`,
      /name/,
    ],
    [
      "15 MiB of escaped letters",
      () => `{"name":" ","description":"","y":[${`"${"\\u01b5".repeat(650_000)}",`.repeat(4)}0]}`,
      /name/,
    ],
    ["16 MiB of escapes, unended", () => `{"name":"${'\\"'.repeat(8 * MIB - 10)}`],
    ["a picture", () => cardPng(v2), /image\/png/],
  ];
  for (const [name, make, says = damaged] of bodies) yield json(name, make, refused(says));
  yield json("17 MiB", () => Buffer.alloc(17 * MIB, " "), refused(/larger/, "payload_too_large"));
  yield json("50 MB", () => Buffer.alloc(50_000_000, "x"), refused(/larger/, "payload_too_large"));
}

function* badPictures(): Generator<CorpusFile> {
  const whole = cardPng(v2);
  const end = chunk("IEND");
  const card = text("tEXt", "chara", base64(v2));
  const bodies: [string, () => Buffer, RegExp?][] = [
    ["JSON", () => Buffer.from(JSON.stringify(v2))],
    ["GIF", () => Buffer.from("GIF89a\x01\x00\x01\x00")],
    ["a signature alone", () => whole.subarray(0, 8)],
    [
      "a signature with wrong line ends",
      () => Buffer.concat([Buffer.from("\x89PNG\n\n\x1a\n", "latin1"), whole.subarray(8)]),
    ],
    ["no card", () => picture()],
    ["no rows", () => pngOf(header(1, 1), card, end)],
    ["no header", () => pngOf(card, rows(1, 1), end)],
    ["the header second", () => pngOf(card, header(1, 1), rows(1, 1), end)],
    ["no end", () => pngOf(header(1, 1), card, rows(1, 1))],
    [
      "a wrong checksum",
      () => pngOf(header(1, 1), chunk("tEXt", `chara\0${base64(v2)}`, { crc: 7 }), rows(1, 1), end),
      /checksum/,
    ],
    [
      "a part without a name",
      () => pngOf(header(1, 1), chunk("\0\x01\x02\x03"), card, rows(1, 1), end),
      /name/,
    ],
    ["no pixels", () => pngOf(header(0, 5), card, rows(1, 1), end)],
    ["an unknown kind", () => pngOf(header(5, 5, 3, 2), card, rows(5, 5), end)],
    ["2^31 pixels wide", () => pngOf(header(2 ** 31, 1), card, rows(1, 1), end), /pixels/],
    ["16,000 by 16,000", () => pngOf(header(16_000, 16_000), card, rows(1, 1), end), /pixels/],
    [
      "a million parts",
      () => pngOf(header(1, 1), Buffer.concat(Array(1_000_000).fill(chunk("tIME"))), card, rows(1, 1), end),
      /parts/,
    ],
    ["16 MiB of nothing", () => Buffer.concat([whole.subarray(0, 33), Buffer.alloc(16 * MIB - 33)])],
  ];
  for (const length of [0xffffffff, 0x7fffffff, 0x80000000, 1_000_000, 14]) {
    bodies.push([
      `a length of ${length}`,
      () => pngOf(header(1, 1), chunk("tEXt", `chara\0x`, { length }), rows(1, 1), end),
    ]);
  }
  for (const part of [9, 20, 33, 40, 60, whole.length - 12, whole.length - 1]) {
    bodies.push([`cut at byte ${part}`, () => whole.subarray(0, part)]);
  }
  for (const at of [0, 4, 12, 18, 30, 45, 100, whole.length - 6]) {
    bodies.push([`a bit turned in byte ${at}`, () => withBitTurned(whole, at)]);
  }
  for (const [name, make, says = damaged] of bodies) yield png(name, make, refused(says));
  yield png(
    "17 MiB",
    () => Buffer.concat([whole, Buffer.alloc(17 * MIB)]),
    refused(/larger/, "payload_too_large"),
  );
}

function withBitTurned(bytes: Buffer, at: number): Buffer {
  const turned = Buffer.from(bytes);
  turned[at] = (turned[at] as number) ^ 0x10;
  return turned;
}

function* badTexts(): Generator<CorpusFile> {
  const inside = (name: string, carrier: Carrier, value: () => string | Buffer, says = damaged) =>
    png(`${name} in ${carrier}`, () => picture(text(carrier, "chara", value())), refused(says));
  for (const carrier of ["tEXt", "zTXt", "iTXt", "iTXt packed"] satisfies Carrier[]) {
    yield inside("nothing", carrier, () => "");
    yield inside("broken base64", carrier, () => base64(v2).replace(/.{9}$/, "*$&"));
    yield inside("base64 with a letter too many", carrier, () =>
      `${base64({ a: "xy" }).replaceAll("=", "")}A`.padEnd(21, "A"),
    );
    yield inside("base64 cut short", carrier, () => base64(v2).slice(0, 400));
    yield inside("base64 of nonsense", carrier, () => Buffer.alloc(500, 0xfe).toString("base64"));
    yield inside("JSON cut short", carrier, () => JSON.stringify(v2).slice(0, 200));
    yield inside(
      "a card too deep",
      carrier,
      () => Buffer.from("[".repeat(100_000)).toString("base64"),
      /deep/,
    );
  }
  for (const carrier of ["zTXt", "iTXt packed"] satisfies Carrier[]) {
    yield inside("a bomb", carrier, () => Buffer.alloc(200 * MIB, "A"), /longer|damaged/);
  }
  for (const carrier of ["zTXt", "iTXt packed"] satisfies Carrier[]) {
    const large = () => base64({ ...v1, extensions: { x: Array(16).fill("a".repeat(900_000)) } });
    yield inside("a card packed into a thousandth", carrier, large, /100 times longer/);
  }
  yield inside("11 MiB of base64, cut short", "tEXt", () =>
    Buffer.from(`{"name":"${"Ƶ".repeat(4 * MIB)}`).toString("base64"),
  );
  yield inside(
    "20 MiB of packed base64 of wide texts, blank name",
    "zTXt",
    () => {
      // Random letters, so that it is not refused as too dense.
      const texts = Array.from({ length: 4 }, () => `"Ƶ${randomBytes(1.9 * MIB).toString("hex")}"`);
      return Buffer.from(`{"name":" ","description":"","y":[${texts.join(",")}]}`).toString("base64");
    },
    /name/,
  );
  const packed = (data: string | Buffer) => () =>
    picture(chunk("zTXt", Buffer.concat([Buffer.from("chara\0"), Buffer.from(data as string)])));
  yield png("zTXt of nonsense", packed("\0nonsense"), refused(damaged));
  yield png("zTXt packed in another way", packed("\x07nonsense"), refused(/packed in a way/));
  yield png("zTXt without a method", packed(""), refused(/packed in a way/));
  yield png("iTXt cut short", () => picture(chunk("iTXt", "chara\0\0\0en")), refused(damaged));
  yield png("tEXt without an end of its keyword", () => picture(chunk("tEXt", "chara")), refused(damaged));
}
