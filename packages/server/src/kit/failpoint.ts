/**
 * Named places where a fault test may kill, pause, delay or fail the process (R18). A no-op unless
 * `armFailpoints` was called, which only the test entry point does: it is no part of the build.
 */
let active: ((name: string) => void) | undefined;

/** Passes a place synchronously; an armed fault may throw here or end the process. */
export function failpoint(name: string): void {
  active?.(name);
}

/** For the test entry point alone. */
export function armFailpoints(hit: (name: string) => void): void {
  active = hit;
}
