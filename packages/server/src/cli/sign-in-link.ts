import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { loadConfig } from "../config.ts";
import { type DataFolder, FolderInUse, openDataFolder } from "../kit/data-folder.ts";
import { openSecrets } from "../kit/secrets.ts";
import { StartError } from "../kit/start-error.ts";
import { askForSignIn, controlUrl } from "./control.ts";
import { logOf, putTogether } from "./start.ts";

/** Prints a new sign-in link: from the running server, or by opening the data folder where none runs. */
export async function signInLink(): Promise<number> {
  const { config } = loadConfig();
  const running = await askForSignIn(resolve(config.dataDir));
  if (running !== null) {
    process.stdout.write(`${running.link}\n`);
    return 0;
  }
  // To open a folder that is not there would make one, and a link that leads nowhere.
  if (!existsSync(config.dataDir)) {
    throw new StartError(
      `There is no data folder ${resolve(config.dataDir)}; go to the folder where you start it, or set PARLEY_DATA_DIR.`,
    );
  }
  process.umask(0o077);
  const log = logOf({ ...config, logLevel: "error" });
  const folder = takeFolder(config.dataDir);
  try {
    const secrets = openSecrets({ dataDir: folder.path, configured: config.secret, random: randomBytes });
    const server = await putTogether(config, { log, secrets, dataDir: folder.path });
    try {
      process.stdout.write(`${await server.createSignInLink()}\n`);
      process.stderr.write("The server is not running; `parley start` first, then open the link.\n");
    } finally {
      await server.stop();
    }
  } finally {
    folder.release();
    log.flush();
  }
  return 0;
}

/** Where the folder is taken, a server has it that we did not reach: then that is what to say. */
function takeFolder(dataDir: string): DataFolder {
  try {
    return openDataFolder(dataDir);
  } catch (error) {
    const url = error instanceof FolderInUse ? controlUrl(resolve(dataDir)) : null;
    if (url === null) throw error;
    throw new StartError(
      `The server that has the data folder ${resolve(dataDir)} does not answer at ${url}; wait a moment and try again, or restart it.`,
    );
  }
}
