/**
 * Why a provider failed, for the log: facts of our own choosing, for a provider's words may quote keys and
 * prompts. It needs no stack; what comes with one is a fault of ours.
 */
export class LlmFault extends Error {
  override readonly name = "LlmFault";
  /** The name of the failure: `ECONNREFUSED`, `timer connectMs`, `key`, `unknown`. */
  readonly kind: string;
  /** Of the answer over HTTP, where there was one. */
  readonly status: number | undefined;
  readonly model: string | undefined;

  constructor(kind: string, of: { status?: number | undefined; model?: string | undefined } = {}) {
    super(of.status === undefined ? kind : `HTTP ${of.status}, taken as ${kind}`);
    this.kind = kind;
    this.status = of.status;
    this.model = of.model;
  }
}
