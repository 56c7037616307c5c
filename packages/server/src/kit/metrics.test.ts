import { expect, test } from "vitest";
import { createMetrics } from "./metrics.ts";

test("what was recorded is exposed in the text format, beside the process's own numbers", async () => {
  const metrics = createMetrics();
  metrics.answered({ method: "GET", route: "/live", status: 200, durationMs: 3 });
  metrics.answered({ method: "GET", route: "/live", status: 200, durationMs: 90_000 });
  metrics.openStreams.opened();
  metrics.turnEnded({ status: "completed", provider: 'a"b', promptTokens: 7, completionTokens: 2 });
  metrics.firstToken({ provider: "demo", durationMs: 20 });
  const { contentType, text } = await metrics.expose();
  expect(contentType).toMatch(/^text\/plain; version=0\.0\.4/);
  const row = 'method="GET",route="/live",status="200"';
  expect(text).toContain(`parley_http_request_duration_seconds_bucket{${row},le="0.001"} 0\n`);
  expect(text).toContain(`parley_http_request_duration_seconds_bucket{${row},le="0.005"} 1\n`);
  expect(text).toContain(`parley_http_request_duration_seconds_bucket{${row},le="+Inf"} 2\n`);
  expect(text).toContain(`parley_http_request_duration_seconds_count{${row}} 2\n`);
  expect(text).toContain("parley_open_streams 1\n");
  expect(text).toContain('parley_turns_total{status="completed",provider="a\\"b"} 1\n');
  expect(text).toContain("process_cpu_seconds_total");
});
