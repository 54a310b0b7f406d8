import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { type ConnectionOptions, connect } from "node:tls";

/** What a client of Node really sends first when it asks for a server of this name. */
export async function helloFor(servername: string, options: ConnectionOptions = {}): Promise<Buffer> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const arrived = once(server, "connection");
  const client = connect({ host: "127.0.0.1", port, servername, ...options });
  client.on("error", () => undefined);
  const [socket] = (await arrived) as [Socket];
  const [bytes] = (await once(socket, "data")) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}
