import { describe, expect, it } from "vitest";
import { since, tail } from "./amounts.ts";
import { copyPath } from "./copy-path.ts";
import { eventFilters, machineFilters } from "./filters.ts";
import { commandForm } from "./import-options.ts";
import { portText, publishedPorts } from "./ports.ts";

const one = (guest: number, host: number, address = "127.0.0.1", protocol = "tcp") => ({ guest, host, address, protocol });

describe("published ports", () => {
  it.each([
    ["80", [one(80, 0)]],
    ["8080:80", [one(80, 8080)]],
    ["8080:80/tcp", [one(80, 8080)]],
    ["53:53/udp", [one(53, 53, "127.0.0.1", "udp")]],
    ["0:80", [one(80, 0)]],
    ["127.0.0.1:8080:80", [one(80, 8080)]],
    ["127.0.0.2:8080:80", [one(80, 8080, "127.0.0.2")]],
    ["localhost:8080:80", [one(80, 8080)]],
    ["127.0.0.1::80", [one(80, 0)]],
    ["0.0.0.0:8080:80", [one(80, 8080, "0.0.0.0")]],
    ["[::]:8080:80/udp", [one(80, 8080, "::", "udp")]],
    ["[FD00:0::1]::80", [one(80, 0, "fd00::1")]],
    ["8000-8002:80-82", [one(80, 8000), one(81, 8001), one(82, 8002)]],
    ["80-81", [one(80, 0), one(81, 0)]],
  ])("%s", (text, expected) => {
    expect(publishedPorts(text)).toEqual(expected);
  });

  it.each([
    "",
    "0",
    "a",
    "80:",
    "70000:80",
    "80:70000",
    "1:2:3:4",
    "80/icmp",
    "80/tcp/udp",
    "0.0.0:1:2",
    "::1:1:2",
    "[::1]",
    "[::1]1:2",
    "[::1:1:2",
    "[]:1:2",
    "[::1]:0:1:2",
    "[fe80::1%lo]:1:2",
    "8000-8002:80-81",
    "9-8",
    "1-65535",
    "10.0.0.010:1:2",
  ])("refuses %j", (text) => {
    expect(() => publishedPorts(text)).toThrow(/--publish is not valid/);
  });

  it("are shown as docker shows them", () => {
    expect(publishedPorts("53:5353/udp").map(portText)).toEqual(["127.0.0.1:53->5353/udp"]);
    expect(publishedPorts("[::1]:53:5353").map(portText)).toEqual(["[::1]:53->5353/tcp"]);
  });
});

describe("times and lines", () => {
  const now = Date.parse("2026-01-31T12:00:00Z");
  it.each([
    ["10m", "2026-01-31T11:50:00.000Z"],
    ["1h30m", "2026-01-31T10:30:00.000Z"],
    ["2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"],
    ["2026-01-31T10:00:00.123456789Z", "2026-01-31T10:00:00.123456789Z"],
    ["2026-01-31T10:00:00+02:00", "2026-01-31T08:00:00.000Z"],
    ["1769853600", "1769853600"],
    ["1769853600.5", "1769853600.5"],
  ])("since %s", (text, expected) => {
    expect(since(text, now)).toBe(expected);
  });

  it.each(["", "yesterday", "10", "2026-13-45", "-5m", "10x"])("refuses since %j", (text) => {
    expect(() => since(text, now)).toThrow(/--since is not valid/);
  });

  it("takes all or a number for --tail", () => {
    expect([tail("all"), tail("0"), tail("12")]).toEqual([undefined, 0, 12]);
    expect(() => tail("-1")).toThrow(/--tail/);
  });
});

describe("filters of ps", () => {
  it("come in docker's words", () => {
    expect(machineFilters(["state=running", "status=created", "label=a=b", "label=c", "name=web", "name=db"])).toEqual({
      states: ["running", "requested"],
      labels: ["a=b", "c"],
      names: ["web", "db"],
    });
    expect(machineFilters(["exited=0", "exited=137", "ancestor=busybox", "volume=data", "id=00ff", "before=a", "since=b"])).toEqual({
      exitCodes: [0, 137],
      ancestors: ["busybox"],
      volumes: ["data"],
      ids: ["00ff"],
      before: "a",
      since: "b",
    });
    expect(machineFilters([])).toEqual({});
  });

  it.each(["running", "state=", "state=up", "colour=red", "exited=256", "health=fine", "exited=x", "toString=1"])("refuses %j", (text) => {
    expect(() => machineFilters([text])).toThrow(/--filter is not valid/);
  });
});

describe("filters of events", () => {
  it("come in docker's words", () => {
    expect(
      eventFilters(["event=exited", "event=machine.created", "type=container", "container=web", "image=busybox", "label=a=b"]),
    ).toEqual({
      types: ["exited", "machine.created"],
      kinds: ["machine"],
      machine: "web",
      images: ["busybox"],
      labels: ["a=b"],
    });
  });

  it.each(["exited", "event=", "name=web"])("refuses %j", (text) => {
    expect(() => eventFilters([text])).toThrow(/--filter is not valid/);
  });

  it("name one machine", () => expect(() => eventFilters(["machine=a", "container=b"])).toThrow(/machine is given once/));
});

describe("paths of cp", () => {
  it.each([
    ["-", { kind: "stream" }],
    ["file", { kind: "local", path: "file", contentOnly: false, folderMeant: false }],
    ["/a/b//", { kind: "local", path: "/a/b", contentOnly: false, folderMeant: true }],
    ["/", { kind: "local", path: "/", contentOnly: false, folderMeant: true }],
    ["./a:b", { kind: "local", path: "./a:b", contentOnly: false, folderMeant: false }],
    [".", { kind: "local", path: ".", contentOnly: true, folderMeant: true }],
    ["dir/.", { kind: "local", path: "dir/.", contentOnly: true, folderMeant: true }],
    ["web:/etc/hosts", { kind: "machine", machine: "web", path: "/etc/hosts", contentOnly: false, folderMeant: false }],
    ["web:etc/../srv/", { kind: "machine", machine: "web", path: "/srv", contentOnly: false, folderMeant: true }],
    ["web:/srv/.", { kind: "machine", machine: "web", path: "/srv", contentOnly: true, folderMeant: true }],
  ])("%s", (text, expected) => {
    expect(copyPath(text)).toEqual(expected);
  });

  it.each(["", ":/etc", "web:"])("refuses %j", (text) => {
    expect(() => copyPath(text)).toThrow(/not valid/);
  });
});

describe("commands of an image", () => {
  it("are a line for the shell or an array", () => {
    const parse = commandForm("--cmd");
    expect(parse("httpd -f")).toEqual(["/bin/sh", "-c", "httpd -f"]);
    expect(parse('["httpd", "-f"]')).toEqual(["httpd", "-f"]);
    expect(() => parse('["httpd"')).toThrow(/JSON array/);
    expect(() => parse("[1]")).toThrow(/JSON array/);
  });
});
