import { isIP } from "node:net";
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";

const ADDRESSES_MAX = 4;
const EVERYWHERE = new Set(["0.0.0.0", "[::]"]);

/** A host as it stands in a URL: an IPv6 address in brackets and in its shortest form. */
const inUrl = (host: string): string =>
  isIP(host) === 6 ? new URL(`http://[${host.split("%", 1)[0]}]`).hostname : host;

/** A host as people open it on this machine: where we listen everywhere, or on 127.0.0.1, that is localhost. */
export function hostForPeople(host: string): string {
  const shown = inUrl(host);
  return shown === "127.0.0.1" || EVERYWHERE.has(shown) ? "localhost" : shown;
}

/** A host as a program on this machine reaches it, whatever localhost means here. */
export function hostForPrograms(host: string): string {
  const shown = inUrl(host);
  if (shown === "[::]") return "[::1]";
  return shown === "0.0.0.0" ? "127.0.0.1" : shown;
}

/** Where other machines find us: the addresses of this machine's networks where we listen on all of them. */
export function hostsOnNetwork(host: string, interfaces = networkInterfaces()): string[] {
  if (!EVERYWHERE.has(inUrl(host))) return [];
  const isMeant = ({ internal, family, address }: NetworkInterfaceInfo) =>
    !internal && (family === "IPv4" || (inUrl(host) === "[::]" && !/^fe[89ab]/i.test(address)));
  return Object.values(interfaces)
    .flatMap((found) => found ?? [])
    .filter(isMeant)
    .slice(0, ADDRESSES_MAX)
    .map(({ address }) => inUrl(address));
}
