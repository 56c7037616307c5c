import { buildPage } from "./build-page.ts";

/** Before the tests: journeys meet the page that the sources of this moment make. */
export default async function freshPage(): Promise<void> {
  await buildPage();
}
