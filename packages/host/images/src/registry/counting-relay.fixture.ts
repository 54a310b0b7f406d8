import { once } from "node:events";
import { createServer, request } from "node:http";

export interface Relayed {
  readonly method: string;
  readonly url: URL;
  /** of the request's body */
  sentBytes: number;
  status: number;
}

export interface CountingRelay extends AsyncDisposable {
  /** 127.0.0.1:PORT */
  readonly host: string;
  readonly seen: Relayed[];
}

/** Stands before a registry and counts what is sent to it. */
export async function countingRelay(to: string): Promise<CountingRelay> {
  const seen: Relayed[] = [];
  const server = createServer((incoming, outgoing) => {
    const { method = "", url = "", headers } = incoming;
    const relayed = { method, url: new URL(url, `http://${to}`), sentBytes: 0, status: 0 };
    seen.push(relayed);
    // The host that was asked for stays in the headers: the addresses that the registry hands out lead through here.
    const onward = request(relayed.url, { method, headers }, (answer) => {
      relayed.status = answer.statusCode ?? 0;
      outgoing.writeHead(relayed.status, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on("error", () => outgoing.destroy());
    incoming.on("data", (chunk: Buffer) => {
      relayed.sentBytes += chunk.length;
    });
    incoming.pipe(onward);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    host: `127.0.0.1:${port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
