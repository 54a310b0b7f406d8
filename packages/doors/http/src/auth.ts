import { createHash, timingSafeEqual } from "node:crypto";
import { IsthmusError } from "@isthmus/contract";

const digest = (text: string) => createHash("sha256").update(text).digest();

/** A check of `Authorization` headers against one token, in a time that says nothing about it. The check throws UNAUTHORIZED. */
export function tokenCheck(token: string): (authorization: string | undefined) => void {
  const wanted = digest(token);
  return (authorization) => {
    const given = /^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1] ?? "";
    if (!timingSafeEqual(digest(given), wanted)) throw new IsthmusError("UNAUTHORIZED");
  };
}
