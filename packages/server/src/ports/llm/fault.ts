/**
 * Why a provider failed, for the log: facts of our own choosing, for a provider's words may quote keys and
 * prompts. It needs no stack; what comes with one is a fault of ours.
 */
export class LlmFault extends Error {
  override readonly name = "LlmFault";
  /** The name of the failure: `ECONNREFUSED`, `timer connectMs`, `key`, `unknown`. */
  readonly kind: string;
  /** Of the answer over HTTP, where there was one. */
  readonly status: number | null;
  readonly model: string | null;

  constructor(
    kind: string,
    { status = null, model = null }: { status?: number | null; model?: string | null } = {},
  ) {
    super(status === null ? kind : `HTTP ${status}, taken as ${kind}`);
    this.kind = kind;
    this.status = status;
    this.model = model;
  }
}
