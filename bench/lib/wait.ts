import { connect } from "node:net";
import { setTimeout as after } from "node:timers/promises";
import { httpRequest } from "./load.ts";

const LOOK_EVERY_MS = 1;

/** Asks again and again until a server is there and answers 200. */
export async function untilAnswers(port: number, path: string): Promise<void> {
  while (!(await isAnswered(port, path))) await after(LOOK_EVERY_MS);
}

function isAnswered(port: number, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(httpRequest("GET", path)));
    socket.on("data", (data) => {
      resolve(data.toString("latin1", 9, 12) === "200");
      socket.destroy();
    });
    socket.on("error", () => resolve(false));
    socket.on("close", () => resolve(false));
  });
}
