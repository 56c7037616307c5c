/** The least that answers a request: a fixed JSON body, given as the argument. */
import { answerJson, serve } from "../lib/serve.ts";

const body = process.argv[2] ?? "{}";

serve((_request, response) => answerJson(response, 200, body));
