import http from "node:http";
import { hostOwner } from "@isthmus/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { type OpenDoor, openDoor } from "./testing/fakes.ts";

let door: OpenDoor;
beforeEach(async () => {
  door = await openDoor();
  await door.deps.machines.create({ image: "x", name: "web", stdin: true }, { start: true });
});
afterEach(async () => {
  vi.useRealTimers();
  await door[Symbol.asyncDispose]();
});

const LIFE_MS = 1_000;
const token = (expiresInMs?: number) => door.deps.tokens.create({ name: "t", role: "operator", expiresInMs }, hostOwner).value;

interface Stream {
  /** resolves with all that came, when the connection is gone */
  readonly ended: Promise<string>;
  readonly begun: Promise<unknown>;
}

function follow(path: string, value: string, read = true): Stream {
  const begun = Promise.withResolvers<unknown>();
  const ended = new Promise<string>((resolve) => {
    const headers = { authorization: `Bearer ${value}` };
    http.get({ socketPath: door.socketPath, path, headers, agent: false }, (answer) => {
      begun.resolve(answer.statusCode);
      let text = "";
      if (!read) answer.pause();
      if (read) answer.on("data", (chunk: Buffer) => (text += chunk.toString()));
      answer.once("error", () => undefined);
      answer.once("close", () => resolve(text));
      answer.socket.once("close", () => resolve(text));
    });
  });
  return { begun: begun.promise, ended };
}

function session(path: string, value: string, start?: object): Stream {
  const begun = Promise.withResolvers<unknown>();
  const ended = new Promise<string>((resolve) => {
    const socket = new WebSocket(`ws+unix://${door.socketPath}:${path}`, { headers: { authorization: `Bearer ${value}` } });
    let text = "";
    socket.on("open", () => start && socket.send(Buffer.concat([Buffer.of(3), Buffer.from(JSON.stringify(start))])));
    socket.on("message", (message: Buffer) => {
      text += message.toString();
      begun.resolve(undefined);
    });
    socket.on("error", begun.reject);
    socket.on("close", () => resolve(text));
  });
  return { begun: begun.promise, ended };
}

const open = (value: string): readonly Stream[] => [
  follow("/v1/events?follow=true", value),
  follow("/v1/machines/web/logs?follow=true", value),
  follow("/v1/machines/web/stats?stream=true", value),
  session("/v1/machines/web/exec", value, { command: ["sleep", "60"] }),
  session("/v1/machines/web/attach", value),
];

describe("a right that is over", () => {
  it("ends events, output, figures and sessions that are open, each with UNAUTHORIZED as its last word", async () => {
    const value = token();
    const streams = open(value);
    await Promise.all(streams.map(({ begun }) => begun));
    door.deps.tokens.remove("t", hostOwner);
    for (const text of await Promise.all(streams.map(({ ended }) => ended))) expect(text).toContain("UNAUTHORIZED");
    expect(await follow("/v1/health", value).begun).toBe(401);
  });

  it("ends them too when it was given for a time that is up", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const value = token(LIFE_MS);
    const streams = open(value);
    await Promise.all(streams.map(({ begun }) => begun));
    vi.setSystemTime(Date.now() + LIFE_MS);
    for (const text of await Promise.all(streams.map(({ ended }) => ended))) expect(text).toContain("UNAUTHORIZED");
    expect(await follow("/v1/health", value).begun).toBe(401);
  });

  it("cuts the connection of a client that does not read, and leaves others alone", async () => {
    const value = token();
    const other = door.deps.tokens.create({ name: "other", role: "viewer" }, hostOwner).value;
    for (let line = 0; line < 64; line += 1) door.deps.machines.print("web", "stdout", Buffer.alloc(65_536, "x"));
    const stuck = follow("/v1/machines/web/logs?follow=true", value, false);
    const kept = follow("/v1/machines/web/logs?follow=true&tail=0", other);
    await Promise.all([stuck.begun, kept.begun]);
    door.deps.tokens.remove("t", hostOwner);
    const connections = () => new Promise((resolve) => door.door.app.server.getConnections((_error, count) => resolve(count)));
    await expect.poll(connections).toBe(1);
    door.deps.machines.exit("web", { code: 0 });
    expect(await kept.ended).not.toContain("UNAUTHORIZED");
  });
});
