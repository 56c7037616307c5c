import { expect, test } from "vitest";
import { createRetryBudget } from "./retry-budget.ts";

const takeAll = (budget: ReturnType<typeof createRetryBudget>) => {
  let taken = 0;
  while (budget.tryTake()) taken++;
  return taken;
};

test("retries are a tenth of what goes well, beyond the few at the start", () => {
  const budget = createRetryBudget();
  expect(takeAll(budget)).toBe(3);
  for (let i = 0; i < 9; i++) budget.succeeded();
  expect(budget.tryTake()).toBe(false);
  budget.succeeded();
  expect(takeAll(budget)).toBe(1);
  for (let i = 0; i < 50; i++) budget.succeeded();
  expect(takeAll(budget)).toBe(5);
});

test("a long time of health does not save up a storm", () => {
  const budget = createRetryBudget();
  for (let i = 0; i < 100_000; i++) budget.succeeded();
  expect(takeAll(budget)).toBe(10);
});

test("in an outage nothing is added", () => {
  const budget = createRetryBudget();
  takeAll(budget);
  for (let i = 0; i < 1_000; i++) expect(budget.tryTake()).toBe(false);
});
