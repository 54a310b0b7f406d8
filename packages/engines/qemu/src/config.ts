import { MIB } from "@isthmus/contract";

/** The VMM and the Debian package that holds it. */
export const QEMU_PROGRAM = "qemu-system-x86_64";
export const QEMU_PACKAGE = "qemu-system-x86";

/** glibc's heap in large pages: half of QEMU's page faults at its start are of its heap, a quarter of the time. It costs 1 MiB of memory. */
export const VMM_ENVIRONMENT = { GLIBC_TUNABLES: "glibc.malloc.hugetlb=1" } as const;

/** From the start of a fork server to its first word, and from a request to the fork that is about to become a VMM. */
export const FORK_SERVER_DEADLINE_MS = 10_000;
export const FORK_DEADLINE_MS = 20_000;
/** Where no fork server works it is tried again after so long. */
export const FORK_SERVER_RETRY_MS = 60_000;

/** After so many VMMs of a fork server another one takes over. */
export const FORKS_OF_ONE_SERVER = 64;
/** Servers that fork no more and stay for the sake of VMMs that still run. */
export const RETIRED_SERVERS_MAX = 8;

/** What serves folders of the host to guests: Debian 13's, and Debian 12's, which comes with QEMU. */
export const SHARE_PROGRAMS = ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"] as const;
export const SHARE_PACKAGE = "virtiofsd (Debian 12: qemu-system-common)";
/** From spawn to the word that the socket is there. */
export const SHARE_DEADLINE_MS = 10_000;

/** How much nicer than the daemon a VMM is: a host full of busy guests still answers, starts and stops. Among each other guests are equals. */
export const VMM_NICENESS = 5;

/** Weight (of 100) of a guest until it runs, or waits in a pool: a storm of starts takes less from those that work already. */
export const STARTING_CPU_WEIGHT = 50;

/** From spawn to the guest's greeting; generous, because software emulation on a loaded host is slow, not broken. */
export const START_DEADLINE_MS = 60_000;
/** The longest wait for one greeting, and the first of a guest that boots; then the socket is connected anew. */
export const BOOT_GREETING_MS = 20_000;
/** `configure` and `start`: the first requests run code that the emulator has not yet translated. */
export const CONFIGURE_DEADLINE_MS = 30_000;
/** for a process of the guest to tell figures */
export const STATS_DEADLINE_MS = 10_000;
/** How long taking up one machine may hold up the daemon's start. */
export const ADOPT_BUDGET_MS = 2_000;
/** A lost session is connected anew within this for a waiting request. */
export const RECONNECT_DEADLINE_MS = 10_000;
/** The first wait for a greeting after a reconnection, doubled each time. A guest greets in milliseconds unless it did not notice that its client changed. */
export const RECONNECT_GREETING_MS = 300;
/** The same for the fork of a zygote, whose guest certainly noticed that it has no client. */
export const FORK_GREETING_MS = 5_000;
export const CONNECT_RETRY_MS = 4;
/** Between two sessions, so that the guest can notice that the first one ended. */
export const RECONNECT_PAUSE_MS = 100;
/** Unasked reconnection, so that the guest knows that its output is attended. */
export const BACKGROUND_RECONNECT_MIN_MS = 500;
export const BACKGROUND_RECONNECT_MAX_MS = 30_000;

/** Between letting go of an idle guest and saving it: it must have noticed that its host left, and done what a boot leaves for later. */
export const TEMPLATE_SETTLE_MS = 400;
/** The id that is practised with; as long as a machine's own, so that what is written of it need not change its size: a guest takes 5 ms to cut a file. */
export const NOBODY = "nobody0000000000";
/** A template's guest practises a start this often: the second time goes the way that a clone's goes. */
export const REHEARSALS = 2;
/** A zygote's guest practises a start more often, for all its forks profit: what is done seldom is translated then, too. */
export const ZYGOTE_REHEARSALS = 5;
/** A VMM is quiet that used less than so much of the processor, ns, for so long, ms. */
export const QUIET_NS = 500_000;
export const QUIET_MS = 50;
export const QUIET_LOOK_MS = 10;
export const QUIET_DEADLINE_MS = 5_000;
export const REHEARSAL_DEADLINE_MS = 20_000;
export const RESTORE_DEADLINE_MS = 20_000;
export const SAVE_DEADLINE_MS = 60_000;
export const HOLES_DEADLINE_MS = 60_000;
/** From spawn to the greeting of a clone, which takes a tenth of a second on an idle host; then its template is held to be broken. */
export const CLONE_DEADLINE_MS = 20_000;
/** The file descriptor, in QEMU, of a template's state. */
export const STATE_FD = 3;

export const QMP_DEADLINE_MS = 10_000;
export const QMP_LINE_BYTES = 1 * MIB;
/** Between two tries to let a guest go on whose disk found no room. */
export const ROOM_LOOK_MS = 2_000;

/** From SIGKILL to the end of the process. */
export const KILL_DEADLINE_MS = 10_000;
export const KILL_POLL_MS = 10;
/** Looks, `KILL_POLL_MS` apart, for the end of a process whose monitor was closed. */
export const END_LOOKS = 200;
/** A fork that has ended is waited for so long to be told of by its server, which knows how. */
export const END_TOLD_MS = 6_000;
/** Node offers no pidfd: the end of a process that is not our child is noticed by looking. QMP's end of file is usually faster. */
export const ADOPTED_POLL_MS = 1_000;

/** KVM can open and never run a guest. One that works needs well under a second. */
export const KVM_PROBE_DEADLINE_MS = 4_000;
/** The same when the user insists on KVM. */
export const KVM_FORCED_PROBE_DEADLINE_MS = 20_000;
export const TCG_PROBE_DEADLINE_MS = 45_000;
export const TSC_DEADLINE_MS = 5_000;
export const PROBE_MEMORY_BYTES = 128 * MIB;

/** Translated code that a TCG guest may hold; QEMU's own default is 1 GiB. */
export const TCG_BUFFER_MIB = 64;
/** lies beside the agent */
export const IDLE_PLUGIN = "isthmus-idle.so";
/** A guest that was idle for so long gives back the code that was translated for it, which 70 ms of its next work bring back. */
export const IDLE_CODE_MS = 30_000;
/** Output that the guest keeps writing while no daemon listens; more is counted and dropped. */
export const UNATTENDED_OUTPUT_BYTES = 256 * MIB;
export const ENTROPY_BYTES = 64;
/** What of the VMM's own words goes into an error. */
export const STDERR_TAIL_BYTES = 2_048;
/** of a guest's console that are told when it ends before it answers */
export const CONSOLE_TAIL_LINES = 3;
/** A free port can be taken by another between our look and QEMU's. */
export const PORT_ATTEMPTS = 3;
/** sun_path of unix(7), without its NUL */
export const SOCKET_PATH_BYTES = 107;
/** USER_HZ, fixed by the Linux ABI on x86 and ARM */
export const CLOCK_TICKS_PER_SECOND = 100;
export const PAGE_BYTES = 4_096;
/** Guest memory is saved in pieces of at most so many bytes. */
export const COPY_CHUNK_BYTES = 1 * MIB;
/** After so many bytes of it the daemon serves its other clients. */
export const COPY_TURN_BYTES = 16 * MIB;
/** A copy of the file that a guest's memory was mapped from, which can be as large as the guest. */
export const BASE_COPY_DEADLINE_MS = 600_000;
/** A disk of a terabyte takes its time; the guest goes on meanwhile. */
export const DISK_COPY_DEADLINE_MS = 6 * 3_600_000;
/** Stopping and starting all processes of a guest. */
export const FREEZE_DEADLINE_MS = 20_000;
/** Between the moment that a restored guest goes on and the first connection to it: it must have noticed that its former host left. */
export const RESTORED_SETTLE_MS = 30;
/** Between letting go of a guest and stopping it to be suspended, for the same reason. */
export const SUSPEND_SETTLE_MS = 20;

/** QEMU's user-mode network: what slirp serves. */
export const GUEST_ADDRESS = "10.0.2.15";
export const GUEST_PREFIX = 24;
export const GATEWAY_ADDRESS = "10.0.2.2";
export const DNS_ADDRESS = "10.0.2.3";

/** Those from `nowatchdog` on end what wakes an idle guest, see docs/kernel.md. */
export const KERNEL_ARGUMENTS = [
  "console=ttyS0 quiet reboot=t panic=-1",
  "nowatchdog",
  "sysctl.vm.compaction_proactiveness=0",
  "sysctl.vm.stat_interval=600",
  "sysctl.net.ipv4.neigh.default.interval_probe_time_ms=3600000",
  "sysctl.net.ipv6.neigh.default.interval_probe_time_ms=3600000",
].join(" ");

export const fileNames = {
  state: "engine.json",
  /** QEMU's own words */
  vmmLog: "vmm.log",
  /** the guest kernel's words until the workload starts */
  console: "console.log",
  agentSocket: "agent.sock",
  qmpSocket: "qmp.sock",
  /** the machine's own name for the file that its memory is mapped from */
  memoryBase: "memory.base",
} as const;

/** ms that a burst of a disk may last when its spec is silent */
export const BURST_MS = 1_000;
/** Time for a guest to compare its disk with its image: a walk over all that was written. */
export const CHANGES_DEADLINE_MS = 60_000;
