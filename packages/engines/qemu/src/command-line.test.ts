import type { PublishedPort } from "@isthmus/contract";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BootVariant, commandLine, optionArgument, type VmmLayout } from "./command-line.ts";

/** Strings through the four places of a command line that a user's words can reach. */
const STRINGS = 10_000;

const layout: VmmLayout = {
  name: "web",
  folder: "/m/abc",
  socketFolder: "/s/abc",
  rootfsPath: "/i/root.squashfs",
  outputPath: "/m/abc/output.log",
  boot: { kernelPath: "/k/vmlinuz", initramfsPath: "/k/initramfs" },
  cpus: 2,
  memoryBytes: 128 * 1024 * 1024,
  network: "none",
  ports: [],
};
const microvm: BootVariant = { accelerator: "tcg", machineType: "microvm", cpuModel: "max" };
const q35: BootVariant = { ...microvm, machineType: "q35" };

/** Reads an option argument as QEMU does: settings end at a comma, two commas are one in a value. */
function settingsOf(argument: string): string[] {
  const settings: string[] = [];
  let setting = "";
  for (let at = 0; at < argument.length; at += 1) {
    const comma = argument[at] === ",";
    if (comma && argument[at + 1] !== ",") {
      settings.push(setting);
      setting = "";
      continue;
    }
    setting += argument[at];
    if (comma) at += 1;
  }
  settings.push(setting);
  return settings;
}

function allSettings(args: readonly string[], option: string): string[][] {
  return args.flatMap((arg, index) => (arg === option ? [settingsOf(args[index + 1] ?? "")] : []));
}

describe("the command line", () => {
  it("gives an emulated guest the plugin for idle guests, whatever its path, and no other guest", () => {
    const idleCode = { pluginPath: "/a,b/isthmus-idle.so", afterMs: 30_000 };
    expect(allSettings(commandLine(layout, { ...microvm, idleCode }), "-plugin")).toEqual([
      ["file=/a,b/isthmus-idle.so", "after-ms=30000"],
    ]);
    expect(commandLine(layout, microvm)).not.toContain("-plugin");
  });

  it("gives a path or name exactly one meaning, whatever characters it holds", () => {
    const nasty = fc.oneof(fc.stringMatching(/^[a-z,=:"' ]{1,20}$/), fc.string({ unit: "binary", minLength: 1, maxLength: 20 }));
    fc.assert(
      fc.property(nasty, nasty, nasty, nasty, (name, folder, rootfs, disk) => {
        const given = {
          ...layout,
          name,
          folder: `/${folder}`,
          rootfsPath: `/${rootfs}`,
          diskPath: `/${disk}`,
          outputPath: `/${folder}/out`,
        };
        const args = commandLine(given, microvm);
        const plain = commandLine({ ...layout, diskPath: "/d" }, microvm);
        expect(args.filter((arg) => arg.startsWith("-"))).toEqual(plain.filter((arg) => arg.startsWith("-")));
        const blocks = allSettings(args, "-blockdev");
        expect(blocks.map((settings) => settings.length)).toEqual(allSettings(plain, "-blockdev").map((settings) => settings.length));
        expect(blocks[0]).toContain(`file.filename=/${rootfs}`);
        expect(blocks[1]).toContain(`file.filename=/${disk}`);
        expect(allSettings(args, "-name")).toEqual([[`guest=${name}`]]);
        expect(allSettings(args, "-chardev").map((settings) => settings.length)).toEqual(
          allSettings(plain, "-chardev").map((settings) => settings.length),
        );
        expect(args[args.indexOf("-append") + 1]).toBe(plain[plain.indexOf("-append") + 1]);
      }),
      { numRuns: STRINGS / 4 },
    );
  });

  it("keeps any value of an option whole", () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (values) => {
        const argument = optionArgument(
          "head",
          values.map((value, index) => [`k${index}`, value]),
        );
        expect(settingsOf(argument)).toEqual(["head", ...values.map((value, index) => `k${index}=${value}`)]);
      }),
      { numRuns: STRINGS / 4 },
    );
  });

  it("opens the rootfs for reading only, and a disk only when there is one", () => {
    expect(allSettings(commandLine(layout, microvm), "-blockdev")).toEqual([
      ["driver=raw", "node-name=root", "read-only=on", "file.driver=file", "file.filename=/i/root.squashfs"],
    ]);
    expect(allSettings(commandLine({ ...layout, diskPath: "/m/abc/disk" }, microvm), "-blockdev")).toHaveLength(2);
  });

  it("gives the guest a network only when it is asked for", () => {
    expect(commandLine(layout, microvm)).not.toContain("-netdev");
    const port: PublishedPort = { guest: 80, host: 8080, address: "127.0.0.1", protocol: "tcp" };
    const args = commandLine({ ...layout, network: "user", ports: [port, { ...port, guest: 53, host: 5353, protocol: "udp" }] }, microvm);
    expect(allSettings(args, "-netdev")[0]).toEqual(
      expect.arrayContaining(["hostfwd=tcp:127.0.0.1:8080-10.0.2.15:80", "hostfwd=udp:127.0.0.1:5353-10.0.2.15:53"]),
    );
  });

  it("confines QEMU whatever boots", () => {
    for (const variant of [microvm, q35, { ...microvm, accelerator: "kvm" } as const]) {
      const args = commandLine(layout, variant);
      expect(allSettings(args, "-sandbox")).toEqual([
        ["on", "obsolete=deny", "elevateprivileges=deny", "spawn=deny", "resourcecontrol=deny"],
      ]);
      for (const option of ["-nodefaults", "-no-user-config", "-no-reboot"]) expect(args).toContain(option);
    }
  });

  it("uses the devices of the machine type", () => {
    const devices = (variant: BootVariant) => allSettings(commandLine(layout, variant), "-device").map(([device]) => device);
    expect(devices(microvm)).toEqual([
      "virtio-blk-device",
      "virtio-serial-device",
      "virtserialport",
      "virtserialport",
      "virtio-rng-device",
    ]);
    expect(devices(q35)).toEqual(["virtio-blk-pci", "virtio-serial-pci", "virtserialport", "virtserialport", "virtio-rng-pci"]);
  });

  it("tells a TCG guest the frequency of its counter, and no KVM guest", () => {
    const append = (args: readonly string[]) => args[args.indexOf("-append") + 1];
    const given = { ...layout, tscKhz: 2_500_000 };
    expect(append(commandLine(given, microvm))).toContain("tsc_early_khz=2500000");
    expect(append(commandLine(given, { ...microvm, accelerator: "kvm" }))).not.toContain("tsc_early_khz");
    expect(append(commandLine(layout, microvm))).not.toContain("tsc_early_khz");
  });

  it("refuses a socket folder that is too long for the kernel", () => {
    expect(() => commandLine({ ...layout, socketFolder: `/${"x".repeat(120)}` }, microvm)).toThrowError(
      expect.objectContaining({ code: "INVALID_REQUEST" }),
    );
  });
});

describe("volumes", () => {
  const blockdevs = (args: readonly string[]) => allSettings(args, "-blockdev").slice(1);
  const devices = (args: readonly string[]) => args.filter((arg) => arg.startsWith("virtio-blk"));
  const volumes = [{ diskPath: "/v/a,b" }, { diskPath: "/v/c", overlayPath: "/m/o" }];

  it("are devices with serial numbers behind the disk; one that is only read is written to in an overlay", () => {
    const args = commandLine({ ...layout, diskPath: "/d", volumes }, microvm);
    expect(devices(args)).toEqual([
      "virtio-blk-device,drive=root",
      "virtio-blk-device,drive=disk",
      "virtio-blk-device,drive=volume0,serial=vol0",
      "virtio-blk-device,drive=volume1,serial=vol1",
    ]);
    expect(blockdevs(args).slice(1)).toEqual([
      ["driver=raw", "discard=unmap", "file.driver=file", "file.filename=/v/a,b", "node-name=volume0"],
      ["driver=raw", "read-only=on", "file.driver=file", "file.filename=/v/c", "node-name=volume1-base"],
      ["driver=qcow2", "backing=volume1-base", "file.driver=file", "file.filename=/m/o", "node-name=volume1"],
    ]);
  });

  it("have places in a template: the same devices, with nothing in them", () => {
    const template = commandLine({ ...layout, diskPath: "/d", volumePlaces: 2 }, microvm);
    expect(devices(template)).toEqual(devices(commandLine({ ...layout, diskPath: "/d", volumes }, microvm)));
    expect(blockdevs(template)).toContainEqual(["driver=null-co", "size=1048576", "read-zeroes=on", "node-name=volume1"]);
  });
});
