import * as Type from "typebox";
import { defineRoutes } from "./route.ts";
import { closed, type Static } from "./schema.ts";

export const Model = closed(
  {
    id: Type.String(),
    provider: Type.String(),
    context_tokens: Type.Integer({ minimum: 1 }),
    default: Type.Boolean(),
  },
  "Model",
);
export type Model = Static<typeof Model>;

export const models = defineRoutes({
  list: {
    method: "GET",
    path: "/api/v2/models",
    summary: "The models that can answer",
    access: "signed_in",
    answers: { 200: closed({ items: Type.Array(Model) }, "ModelList") },
    problems: ["provider_unavailable", "provider_error", "provider_timeout"],
  },
});
