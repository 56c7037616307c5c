/**
 * Does steps in their order. One that fails keeps none of the others from being done: `onFailure` hears
 * of each that did.
 */
export async function oneByOne(
  steps: readonly (() => unknown)[],
  onFailure: (error: unknown) => void,
): Promise<void> {
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      onFailure(error);
    }
  }
}
