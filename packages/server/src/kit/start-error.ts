/**
 * Why a start cannot work, in one sentence for the operator: what is wrong and what to do. Printed as it
 * stands, without a stack, and the process ends with status 1.
 */
export class StartError extends Error {
  override readonly name = "StartError";
}
