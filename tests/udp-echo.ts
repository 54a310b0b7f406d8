import { execFileSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";

/** busybox has no server of UDP. */
const SERVER = `
#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>
int main(int count, char **words) {
  struct sockaddr_in from, at = {.sin_family = AF_INET, .sin_port = htons(count > 1 ? atoi(words[1]) : 0)};
  static char bytes[65536];
  int s = socket(AF_INET, SOCK_DGRAM, 0);
  if (bind(s, (struct sockaddr *)&at, sizeof at)) return 1;
  if (fork()) return 0;
  for (;;) {
    socklen_t length = sizeof from;
    ssize_t n = recvfrom(s, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &length);
    if (n >= 0) sendto(s, bytes, n, 0, (struct sockaddr *)&from, length);
  }
}`;

/** A static program for guests: it goes to the background once it has the UDP port that it is given, and sends back what comes. */
export function buildUdpEcho(folder: string): string {
  const path = join(folder, "udp-echo");
  execFileSync("musl-gcc", ["-static", "-O", "-Wall", "-o", path, "-x", "c", "-"], { input: SERVER });
  return path;
}

// Datagrams may get lost, so it is sent again.
const CLIENT = `
const [address, port, text] = process.argv.slice(1);
const socket = require("node:dgram").createSocket(address.includes(":") ? "udp6" : "udp4");
const send = () => socket.send(text, Number(port), address);
socket.once("message", (bytes) => { process.stdout.write(bytes); process.exit(); });
setInterval(send, 100);
setTimeout(() => process.exit(1), 20_000);
send();`;

/** What comes back; `before` is a command that the client is run by, as in a namespace. Throws when nothing does. */
export function udpEcho(address: string, port: number, text: string, before: readonly string[] = []): string {
  const [program = "", ...words] = [...before, process.execPath, "-e", CLIENT, "--", address, String(port), text];
  return execFileSync(program, words, { encoding: "utf8" });
}
