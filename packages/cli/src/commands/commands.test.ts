import { describe, expect, it } from "vitest";
import type { CommandEntry } from "../command-entry.ts";
import { commandTable } from "../command-table.ts";
import { failure, fakeDaemon, image, machine } from "../testing/fake-daemon.ts";
import { cli } from "../testing/test-world.ts";

function lines(entries: readonly CommandEntry[], before: readonly string[] = []): readonly (readonly string[])[] {
  return entries.flatMap((entry) =>
    entry.children ? lines(entry.children, [...before, entry.name]) : entry.hidden ? [] : [[...before, entry.name]],
  );
}

describe("every command", () => {
  it.each(lines(commandTable).map((words) => [words.join(" "), words] as const))(
    "%s has help with examples and takes --json",
    async (name, words) => {
      const { code, out, err } = await cli([...words, "--help"]);
      expect([code, err]).toEqual([0, ""]);
      expect(out).toContain(`Usage: isthmus ${name} [options]`);
      expect(out).toMatch(/\nExamples:\n {2}\S/);
      expect(out).toMatch(/--json +results as JSON/);
      expect(await cli(["help", ...words])).toEqual({ code, out, err });
    },
  );

  it("is in the main help, which answers an empty line", async () => {
    const { code, out } = await cli([]);
    expect(code).toBe(0);
    for (const { name, hidden } of commandTable) if (!hidden) expect(out).toMatch(new RegExp(`\\n {2}${name} `));
    expect(await cli(["--help"])).toMatchObject({ code: 0, out });
    expect(await cli(["help"])).toMatchObject({ code: 0 });
    for (const { name } of commandTable.filter(({ children }) => children)) {
      expect((await cli([name])).out).toMatch(new RegExp(`^Usage: isthmus ${name} COMMAND[^]*\\nExamples:\\n  isthmus ${name} `));
    }
    expect((await cli(["--version"])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("wrong usage", () => {
  const table: readonly (readonly [string[], number, RegExp])[] = [
    [["pss"], 2, /unknown command 'pss' \(Did you mean ps\?\)/],
    [["image", "lss"], 2, /unknown command 'lss' \(Did you mean ls\?\)/],
    [["help", "nope"], 2, /unknown command 'nope'/],
    [["--nope"], 2, /unknown option '--nope'/],
    [["ps", "--al"], 2, /unknown option '--al' \(Did you mean --all\?\)/],
    [["ps", "extra"], 2, /too many arguments/],
    [["ps", "--filter", "x"], 2, /--filter is not valid/],
    [["ps", "--format", "xml"], 2, /Allowed choices are table, json/],
    [["stop"], 2, /missing required argument 'machine'/],
    [["stop", "-t", "soon", "web"], 2, /--timeout is not valid/],
    [["kill", "-s", "NOPE", "web"], 2, /no such signal/],
    [["logs", "--since", "x", "web"], 2, /--since is not valid/],
    [["logs", "-n", "few", "web"], 2, /--tail is not valid/],
    [["cp", "a", "b"], 2, /one of FROM and TO must be MACHINE:PATH/],
    [["cp", "a:/x", "b:/x"], 2, /one of FROM and TO/],
    [["image", "import", "x"], 2, /missing required argument 'ref'/],
    [["image", "load", "a", "-i", "b"], 2, /name the source once/],
    [["completion", "tcsh"], 2, /Allowed choices are bash, zsh, fish/],
    [["update", "web"], 2, /say what to change/],
    [["update", "--unlimited", "cpus", "web"], 2, /limits are cpu-shares/],
    [["update", "--restart", "sometimes", "web"], 2, /--restart is not valid/],
    [["run"], 125, /missing required argument 'image'/],
    [["run", "--nope", "busybox"], 125, /unknown option '--nope'/],
    [["run", "-m", "1q", "busybox"], 125, /--memory is not valid/],
    [["run", "--device-read-bps", "fast", "busybox"], 125, /--device-read-bps is not valid/],
    [["run", "--device-read-bps", "1m:2m:1ms", "busybox"], 125, /--device-read-bps is not valid/],
    [["run", "--network-send-bps", "17g", "busybox"], 125, /--network-send-bps is not valid.*such as 1m/],
    [["run", "--network-receive-pps", "1m", "busybox"], 125, /--network-receive-pps is not valid.*such as 1000/],
    [["update", "--unlimited", "network-bps", "m"], 2, /--unlimited is not valid.*network-send-pps/],
    [["run", "--cpu-period", "50000", "busybox"], 125, /it goes with --cpu-quota/],
    [["run", "--cpu-shares", "1", "busybox"], 125, /--cpu-shares is not valid/],
    [["run", "--priority", "urgent", "busybox"], 125, /Allowed choices are low, normal, high/],
    [["run", "-it", "busybox"], 125, /-t needs a terminal/],
    [["run", "--rm", "--restart", "always", "busybox"], 125, /exclude one another/],
    [["exec", "web"], 125, /missing required argument 'command'/],
    [["exec", "-it", "web", "sh"], 125, /-t needs a terminal/],
    [["start", "-a", "one", "two"], 125, /take one machine/],
  ];
  it.each(table)("%j exits with %i", async (argv, code, message) => {
    const result = await cli(argv);
    expect(result.err).toMatch(message);
    expect(result.err).toMatch(/^isthmus: .*\n {2}→ .*\n$/);
    expect([result.code, result.out]).toEqual([code, ""]);
  });

  it.each([
    [["run", "--nope", "busybox", "ls", "--json"], false],
    [["run", "--name", "--json", "--nope", "busybox"], false],
    [["exec", "--nope", "web", "ls", "--json"], false],
    [["run", "--nope", "--json", "busybox", "ls"], true],
    [["image", "ls", "--nope", "--json"], true],
    [["rm", "--nope", "web", "--json"], true],
    [["rm", "--nope", "--", "--json"], false],
    [["--json", "nope"], true],
    [["nope", "--json"], true],
  ])("a wrong %j is told as JSON: %j", async (argv, json) => {
    const { code, err } = await cli(argv);
    expect(code).not.toBe(0);
    expect(err.startsWith('{"error":')).toBe(json);
  });

  it("is told as JSON when asked", async () => {
    const { code, out, err } = await cli(["ps", "--nope", "--json"]);
    expect([code, out]).toEqual([2, ""]);
    expect(JSON.parse(err)).toMatchObject({ error: { code: "USAGE", status: 400, remedy: "See: isthmus ps --help" } });
  });
});

describe("errors of the daemon", () => {
  it("keep their code, with a remedy and control characters escaped", async () => {
    await using daemon = await fakeDaemon(() => failure("MACHINE_NOT_FOUND", "no machine \u001b[2Jx", 404));
    const { code, err } = await cli(["stop", "x"], daemon);
    expect(code).toBe(1);
    expect(err).toMatch(/^isthmus: no machine \\x1b\[2Jx\n/);
    const asJson = await cli(["stop", "x", "--json"], daemon);
    expect(asJson).toMatchObject({ code: 1, out: "[]\n" });
    expect(JSON.parse(asJson.err)).toMatchObject({ error: { code: "MACHINE_NOT_FOUND" } });
    expect((await cli(["run", "busybox"], daemon)).code).toBe(125);
    expect((await cli(["exec", "x", "ls"], daemon)).code).toBe(125);
  });

  it("say when there is no daemon", async () => {
    const { code, err } = await cli(["ps"]);
    expect(code).toBe(1);
    expect(err).toMatch(/no daemon answers at \/nowhere\/isthmus\.sock/);
  });

  it("keep none of several targets from its turn", async () => {
    await using daemon = await fakeDaemon(({ path, method }) => {
      if (method === "DELETE" && path.endsWith("/bad")) return failure("MACHINE_NOT_FOUND", "no machine bad", 404);
      return method === "DELETE" ? { json: {} } : undefined;
    });
    const { code, out, err } = await cli(["rm", "-f", "a", "bad", "b"], daemon);
    expect([code, out]).toEqual([1, "a\nb\n"]);
    expect(err).toMatch(/no machine bad/);
    expect(daemon.seen.map(({ query }) => query.force)).toEqual(["true", "true", "true"]);
  });
});

describe("ps", () => {
  const web = machine({ ports: [{ guest: 80, host: 8080, address: "127.0.0.1", protocol: "tcp" }] });
  const old = machine({
    id: "ffeeddccbbaa0011",
    name: "old",
    state: "exited",
    exit: { code: 137, signal: 9 },
    argv: ["sh", "-c", "evil\u001b[2J\nand something that goes on for long"],
  });
  const respond = () => ({ json: { machines: [web, old] } });

  it("is a table like docker's", async () => {
    await using daemon = await fakeDaemon(respond);
    const { code, out } = await cli(["ps", "-a"], daemon);
    expect(code).toBe(0);
    expect(out).toBe(
      [
        "ID             NAME   IMAGE     COMMAND                          STATE              CREATED      PORTS",
        "001122334455   web    busybox   sleep 60                         running 1 hour     1 hour ago   127.0.0.1:8080->80/tcp",
        "ffeeddccbbaa   old    busybox   sh -c evil\\x1b[2J\\nand someth…   exited (SIGKILL)   1 hour ago",
        "",
      ].join("\n"),
    );
    expect(daemon.seen[0]?.query).toMatchObject({ all: "true" });
  });

  it("has ids only, JSON, lines of JSON, filters", async () => {
    await using daemon = await fakeDaemon(respond);
    expect((await cli(["ps", "-q"], daemon)).out).toBe("001122334455\nffeeddccbbaa\n");
    expect((await cli(["ps", "-q", "--no-trunc"], daemon)).out).toBe(`${web.id}\n${old.id}\n`);
    expect(JSON.parse((await cli(["ps", "--json"], daemon)).out)).toEqual([web, old]);
    const formatted = await cli(["ps", "--format", "json"], daemon);
    expect(
      formatted.out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([web, old]);
    await cli(["ps", "--filter", "state=exited", "--filter", "label=a=b", "--filter", "name=old"], daemon);
    expect(daemon.seen.at(-1)?.query).toMatchObject({ state: "exited", label: "a=b", name: "old" });
  });
});

describe("other commands", () => {
  it("run -d sends the spec and prints the id", async () => {
    await using daemon = await fakeDaemon(({ body }) => ({
      status: 201,
      json: machine({ notes: ["seen on terminals only"] }, JSON.parse(body || "{}")),
    }));
    const { code, out, err } = await cli(["run", "-d", "--name", "web", "-p", "8080:80", "busybox", "httpd", "-f"], daemon);
    expect([code, out, err]).toEqual([0, "00112233445566aa\n", ""]);
    const sent = daemon.seen[0];
    expect(JSON.parse(sent?.body ?? "")).toEqual({
      image: "busybox",
      name: "web",
      command: ["httpd", "-f"],
      ports: [{ guest: 80, host: 8080, address: "127.0.0.1", protocol: "tcp" }],
    });
    expect([sent?.query.start, daemon.seen[1]?.path]).toEqual(["false", "/machines/00112233445566aa/start"]);
  });

  it("image ls shows a line for each name, inspect an array", async () => {
    const two = image({ tags: ["host:5000/app:1", "busybox:latest"] });
    await using daemon = await fakeDaemon(({ path }) => ({ json: path === "/images" ? { images: [two, image({ tags: [] })] } : two }));
    const { out } = await cli(["images"], daemon);
    expect(out).toMatch(/^NAME +TAG +ID +CREATED +SIZE +ROOTFS\nhost:5000\/app +1 +bbbbbbbbbbbb .*\nbusybox +latest .*\n<none> +<none> /);
    expect((await cli(["image", "ls", "-q"], daemon)).out).toBe("bbbbbbbbbbbb\nbbbbbbbbbbbb\n");
    expect(JSON.parse((await cli(["image", "inspect", "busybox"], daemon)).out)).toEqual([two]);
  });

  it("doctor shows findings with remedies and fails when something must be mended", async () => {
    const findings = [
      { id: "a", level: "ok", title: "fine", detail: "", remedy: "" },
      { id: "b", level: "error", title: "broken", detail: "it is", remedy: "mend it" },
    ];
    await using daemon = await fakeDaemon(() => ({ json: { findings, ok: false } }));
    const { code, out } = await cli(["doctor"], daemon);
    expect(code).toBe(1);
    expect(out).toBe("ok       fine\nerror    broken\n         it is\n         → mend it\n\n1 thing to mend.\n");
  });

  it("version and daemon status work without a daemon and start none", async () => {
    expect((await cli(["version"])).out).toMatch(/Command: +\d/);
    expect(JSON.parse((await cli(["version", "--json"])).out)).toMatchObject({ daemon: null });
    const status = await cli(["daemon", "status", "--json"]);
    expect(status.code).toBe(1);
    expect(JSON.parse(status.out)).toMatchObject({ running: false });
  });

  it("events are a line each", async () => {
    const event = {
      seq: 1,
      time: "2026-01-31T12:00:00.000Z",
      type: "machine.exited",
      machineId: "aa",
      machineName: "web",
      details: { code: 0, note: "a\nb" },
    };
    await using daemon = await fakeDaemon(() => ({ bytes: Buffer.from(`${JSON.stringify(event)}\n`) }));
    expect((await cli(["events", "--since", "1h"], daemon)).out).toBe(
      "2026-01-31T12:00:00.000Z machine.exited web (aa) code=0 note=a\\nb\n",
    );
    expect(JSON.parse((await cli(["events", "--json"], daemon)).out)).toEqual(event);
  });
});
