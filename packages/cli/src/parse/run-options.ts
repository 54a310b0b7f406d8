import { defaults, formatBytes, formatDuration, limits, type MachineSpec, type PullPolicy } from "@isthmus/contract";
import { type Command, Option } from "commander";
import { collect } from "../help.ts";
import { duration, signal, size, stopTimeout, wholeNumber } from "./amounts.ts";
import { environment, labels } from "./environment.ts";
import { addHealthOptions, type HealthOptions, healthcheck } from "./health.ts";
import { mounts } from "./mounts.ts";
import { networking } from "./networking.ts";
import { publishedPorts } from "./ports.ts";
import { addResourceOptions, type ResourceOptions, resources } from "./resources.ts";
import { secrets } from "./secrets.ts";
import { restartPolicy, tmpfs } from "./storage.ts";

/** The flags of `run` as commander gives them. */
export interface RunOptions extends ResourceOptions, HealthOptions {
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly detach?: boolean;
  readonly rm?: boolean;
  readonly pull?: PullPolicy;
  readonly name?: string;
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly publish?: readonly string[];
  readonly publishAll?: boolean;
  readonly cpus?: number;
  readonly memory?: number;
  readonly disk?: number;
  readonly restart?: MachineSpec["restart"];
  readonly readOnly?: boolean;
  readonly tmpfs?: readonly string[];
  readonly volume?: readonly string[];
  readonly mount?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly hostname?: string;
  readonly entrypoint?: string;
  readonly label?: readonly string[];
  readonly stopSignal?: string;
  readonly stopTimeout?: number;
  readonly network?: readonly string[];
  readonly networkAlias?: readonly string[];
  readonly ip?: string;
  readonly ip6?: string;
  readonly egress?: readonly string[];
  readonly tenant?: string;
  readonly maxWait?: number;
  readonly ttl?: number;
  readonly idleSuspend?: number;
  readonly resumeOnContact?: boolean;
  readonly isolation?: NonNullable<MachineSpec["isolation"]>;
  readonly licence?: readonly string[];
  readonly secret?: readonly string[];
  readonly secretEnv?: readonly string[];
  readonly logMax?: number;
  readonly json?: boolean;
}

/** Declares the flags that decide what a guest boots with: machines that agree in them share a template. */
export function addShapeOptions(command: Command): Command {
  return command
    .option("--cpus <number>", `virtual CPUs; ${defaults.cpus} when absent`, wholeNumber("--cpus", 1, limits.cpus))
    .option(
      "-m, --memory <size>",
      `memory, such as 256m; ${formatBytes(defaults.memoryBytes)} when absent`,
      size("--memory", limits.memoryMinBytes, limits.memoryMaxBytes),
    )
    .option(
      "--disk <size>",
      `writable layer, such as 2g; ${formatBytes(defaults.diskBytes)} when absent`,
      size("--disk", limits.diskMinBytes, limits.diskMaxBytes),
    )
    .option("--read-only", "no writable layer")
    .option("--network <network>", "none, user (outbound through this host's), or the name of a network; user with -p, else none", collect);
}

function addAdmissionOptions(command: Command): Command {
  return command
    .option("--tenant <name>", `whom it counts for: quotas and shares of starts; ${defaults.tenant} when absent`)
    .option(
      "--max-wait <duration>",
      "how long its start may wait for room or licences, such as 5m; 0 is not at all; the daemon's setting when absent",
      duration("--max-wait", 0, limits.ttlMaxMs),
    );
}

function addPublishOptions(command: Command): Command {
  return command
    .option(
      "-p, --publish <ports>",
      "publish a port, on 127.0.0.1 when no address is given: [ADDRESS:][HOST:]GUEST[/udp] (repeatable)",
      collect,
    )
    .option("-P, --publish-all", "publish what the image exposes, on free ports of 127.0.0.1");
}

/** Declares the flags, in docker's names. */
export function addRunOptions(command: Command): Command {
  return addPublishOptions(addHealthOptions(addResourceOptions(addAdmissionOptions(addShapeOptions(command)))))
    .option("-i, --interactive", "keep stdin open and send ours")
    .option("-t, --tty", "give it a terminal")
    .option("-d, --detach", "let it run and print its id")
    .option("--rm", "remove the machine when it has ended")
    .addOption(new Option("--pull <when>", "ask the image's registry for it; missing when absent").choices(["missing", "always", "never"]))
    .option("--name <name>", "its name; made up when absent")
    .option("-e, --env <name[=value]>", "environment variable; without a value ours is passed on (repeatable)", collect)
    .option("--env-file <file>", "file of variables, one a line (repeatable)", collect)
    .option("--ip <address>", "its IPv4 address on its network; a free one when absent")
    .option("--ip6 <address>", "its IPv6 address on its network; a free one when absent")
    .option("--network-alias <name>", "one more name of it in its network's DNS (repeatable)", collect)
    .option(
      "--egress <rule>",
      "what it may reach: none, open, or NAME|ADDRESS|BLOCK[:PORTS][/PROTOCOL], which closes the rest (repeatable)",
      collect,
    )
    .option("--restart <policy>", "when it ends: no, on-failure[:RETRIES], unless-stopped, always", restartPolicy)
    .option("--tmpfs <path[:size]>", "folder in memory, such as /tmp:64m (repeatable)", collect)
    .option(
      "-v, --volume <mount>",
      "volume: NAME:/PATH[:ro], made when it is missing; path of the host: /HOST/PATH:/PATH[:ro]; /PATH alone for a volume without a name (repeatable)",
      collect,
    )
    .option(
      "--mount <mount>",
      "the same in words: type=volume|bind,source=NAME|/PATH,target=/PATH[,readonly][,size=20g] (repeatable)",
      collect,
    )
    .option("-w, --workdir <path>", "where the command starts")
    .option("-u, --user <user[:group]>", "who it runs as, names or numbers")
    .option("-h, --hostname <name>", "the guest's host name")
    .option("--entrypoint <program>", "run this program instead of the image's entrypoint")
    .option("-l, --label <key[=value]>", "label (repeatable)", collect)
    .option("--stop-signal <signal>", `signal that asks it to stop; ${defaults.stopSignal} when absent`, signal("--stop-signal"))
    .option(
      "--stop-timeout <duration>",
      `time it then has before it is killed; ${formatDuration(defaults.stopTimeoutMs)} when absent`,
      stopTimeout("--stop-timeout"),
    )
    .option("--ttl <duration>", "stop it this long after its start, such as 90s or 1h30m", duration("--ttl", 1, limits.ttlMaxMs))
    .option(
      "--idle-suspend <duration>",
      "suspend it when nobody used it and it did next to nothing for so long, such as 5m",
      duration("--idle-suspend", limits.idleSuspendMinMs, limits.ttlMaxMs),
    )
    .option("--resume-on-contact", "while it is suspended, a connection to a published TCP port resumes it")
    .addOption(
      new Option("--isolation <class>", "isolation class; auto and microvm exist today").choices(["auto", "microvm", "container", "vm"]),
    )
    .option("--licence <product>", "product that it needs a licence for (repeatable)", collect)
    .option("--secret <name[:path]>", "give it a secret as a file, /run/secrets/NAME or the path (repeatable)", collect)
    .option("--secret-env <variable=name>", "give it a secret as an environment variable (repeatable)", collect)
    .option(
      "--log-max <size>",
      `newest output that is kept, such as 64m; ${formatBytes(defaults.logMaxBytes)} when absent`,
      size("--log-max", limits.logMinBytes, limits.logMaxBytes),
    );
}

/** The machine that an image, command words and flags describe. Throws INVALID_REQUEST, LOCAL_FILE, TOO_LARGE. */
export function machineSpec(image: string, words: readonly string[], options: RunOptions, own: NodeJS.ProcessEnv): MachineSpec {
  const { entrypoint } = options;
  const spec: MachineSpec = {
    image,
    isolation: options.isolation,
    name: options.name,
    command: words.length > 0 ? [...words] : undefined,
    entrypoint: entrypoint === undefined ? undefined : entrypoint === "" ? [] : [entrypoint],
    env: environment(withTerm(options), options.envFile ?? [], own),
    workdir: options.workdir,
    user: options.user,
    hostname: options.hostname,
    tty: options.tty,
    stdin: options.interactive,
    cpus: options.cpus,
    memoryBytes: options.memory,
    diskBytes: options.disk,
    readOnly: options.readOnly,
    tmpfs: options.tmpfs?.map(tmpfs),
    mounts: mounts(options.volume, options.mount),
    ...networking(options),
    ports: options.publish?.flatMap(publishedPorts),
    publishExposed: options.publishAll,
    stopSignal: options.stopSignal,
    stopTimeoutMs: options.stopTimeout,
    restart: options.restart,
    labels: labels(options.label ?? []),
    autoRemove: options.rm,
    tenant: options.tenant,
    maxWaitMs: options.maxWait,
    ttlMs: options.ttl,
    idleSuspendMs: options.idleSuspend,
    resumeOnContact: options.resumeOnContact,
    ...secrets(options.secret, options.secretEnv),
    resources: resources(options),
    healthcheck: healthcheck(options),
    priority: options.priority,
    evictable: options.evictable,
    licences: options.licence === undefined ? undefined : [...options.licence],
    logMaxBytes: options.logMax,
  };
  // What was not asked for stays out, so that the machine's record shows what its user wrote.
  for (const [key, value] of Object.entries(spec)) if (value === undefined) Reflect.deleteProperty(spec, key);
  return spec;
}

/** A terminal program needs to know what it draws on; a flag of the user's comes later and wins. */
function withTerm(options: RunOptions): readonly string[] {
  return options.tty ? ["TERM", ...(options.env ?? [])] : (options.env ?? []);
}
