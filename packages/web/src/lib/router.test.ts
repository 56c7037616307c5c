import { expect, test } from "vitest";
import { paths, routeOf } from "./router.ts";

const id = "0193b3a2-8c1f-7d34-9a51-0c7f5e1a2b3c";

test("every path of the page leads to its view and back", () => {
  expect(routeOf(paths.gallery)).toEqual({ name: "gallery" });
  expect(routeOf("/app")).toEqual({ name: "gallery" });
  expect(routeOf(paths.signIn)).toEqual({ name: "sign_in" });
  expect(routeOf(paths.settings)).toEqual({ name: "settings" });
  expect(routeOf(`${paths.settings}/`)).toEqual({ name: "settings" });
  expect(routeOf(paths.newCharacter)).toEqual({ name: "new_character" });
  expect(routeOf(paths.character(id))).toEqual({ name: "character", id });
  expect(routeOf(paths.editCharacter(id))).toEqual({ name: "edit_character", id });
  expect(routeOf(paths.chat(id))).toEqual({ name: "chat", id });
});

test("any other path is nowhere", () => {
  for (const path of ["/app/chat", "/app/chat/x", `/app/chat/${id}/more`, "/app/nothing"]) {
    expect(routeOf(path)).toEqual({ name: "nowhere" });
  }
});
