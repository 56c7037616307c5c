import * as Type from "typebox";
import { defineRoutes } from "./route.ts";
import { closed, oneOf } from "./schema.ts";

const Check = closed({ status: oneOf("ok", "failing"), latency_ms: Type.Number() });

/** Answers for operators and probes, outside `/api/v2`. */
export const ops = defineRoutes({
  live: {
    method: "GET",
    path: "/live",
    summary: "The process runs; depends on nothing",
    access: "public",
    answers: { 200: closed({ status: oneOf("ok") }, "Live") },
  },
  ready: {
    method: "GET",
    path: "/ready",
    summary: "Whether sends are taken; red within 5 s of a refused write",
    access: "public",
    answers: {
      200: closed(
        { status: oneOf("ok", "failing"), checks: Type.Record(Type.String(), oneOf("ok", "failing")) },
        "Ready",
      ),
      503: closed(
        { status: oneOf("ok", "failing"), checks: Type.Record(Type.String(), oneOf("ok", "failing")) },
        "Ready",
      ),
    },
  },
  health: {
    method: "GET",
    path: "/health",
    summary: "Each dependency and how long it took to answer",
    access: "public",
    answers: {
      200: closed(
        { status: oneOf("ok", "failing"), dependencies: Type.Record(Type.String(), Check) },
        "Health",
      ),
    },
  },
});
