import { Problem } from "@parley-chat/sdk/contract/problem";
import { expect, test } from "vitest";
import { documentForGuests, problemForGuests } from "./provider-problem.ts";

test("guests learn neither addresses nor settings from a provider's failure, and all else as it stands", () => {
  const operators = [
    "The provider at http://10.0.0.7:8080/v1 does not answer. Try again.",
    "OpenAI does not take the key. Check OPENAI_API_KEY.",
  ];
  for (const detail of operators) {
    const problem = new Problem("provider_unavailable", detail, { retryAfterS: 7 });
    const told = problemForGuests(problem);
    expect(told).toMatchObject({ code: "provider_unavailable", retryAfterS: 7 });
    expect(told.detail).not.toMatch(/http|OPENAI_/);
    expect(documentForGuests(problem.toDocument("id")).detail).toBe(told.detail);
  }
  const plain = new Problem("provider_error", "The provider refused this text. Say it in another way.");
  expect(problemForGuests(plain)).toBe(plain);
  const limit = new Problem("message_exceeds_context", "See PARLEY_CONTEXT_TOKENS_MAX.");
  expect(problemForGuests(limit)).toBe(limit);
});
