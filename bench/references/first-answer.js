/** The least that answers a request, in the language that Node starts fastest. Argument: the port. */
import { createServer } from "node:http";

createServer((_request, response) => response.end("{}")).listen(Number(process.argv[2]), "127.0.0.1");
process.on("disconnect", () => process.exit());
