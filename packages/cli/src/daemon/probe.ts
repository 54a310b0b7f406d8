import net from "node:net";

/** How a Unix socket answers: somebody listens, nobody does, or it is not ours to use. */
export function probe(socketPath: string): Promise<"listening" | "absent" | "forbidden"> {
  return new Promise((resolve) => {
    const socket = net.connect(socketPath);
    socket.once("connect", () => {
      socket.destroy();
      resolve("listening");
    });
    socket.once("error", (error) => {
      const code = "code" in error ? error.code : undefined;
      resolve(code === "EACCES" || code === "EPERM" ? "forbidden" : "absent");
    });
  });
}
