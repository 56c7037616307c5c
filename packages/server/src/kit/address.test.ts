import type { NetworkInterfaceInfo } from "node:os";
import { expect, test } from "vitest";
import { hostForPeople, hostForPrograms, hostsOnNetwork } from "./address.ts";

test.each([
  ["127.0.0.1", "localhost", "127.0.0.1"],
  ["0.0.0.0", "localhost", "127.0.0.1"],
  ["::", "localhost", "[::1]"],
  ["0:0:0:0:0:0:0:0", "localhost", "[::1]"],
  ["::1", "[::1]", "[::1]"],
  ["localhost", "localhost", "localhost"],
  ["192.168.1.5", "192.168.1.5", "192.168.1.5"],
  ["127.0.0.2", "127.0.0.2", "127.0.0.2"],
  ["fd00:0::7", "[fd00::7]", "[fd00::7]"],
  ["parley.example", "parley.example", "parley.example"],
])("who listens on %s is opened at %s and reached by programs at %s", (host, people, programs) => {
  expect([hostForPeople(host), hostForPrograms(host)]).toEqual([people, programs]);
});

test("who listens everywhere is found at the addresses of this machine's networks", () => {
  const at = (address: string, internal = false) =>
    ({ address, internal, family: address.includes(":") ? "IPv6" : "IPv4" }) as NetworkInterfaceInfo;
  const interfaces = {
    lo: [at("127.0.0.1", true), at("::1", true)],
    eth0: [at("192.168.1.5"), at("fe80::1"), at("fd00::5")],
  };
  expect(hostsOnNetwork("0.0.0.0", interfaces)).toEqual(["192.168.1.5"]);
  expect(hostsOnNetwork("::", interfaces)).toEqual(["192.168.1.5", "[fd00::5]"]);
  expect(hostsOnNetwork("127.0.0.1", interfaces)).toEqual([]);
});
