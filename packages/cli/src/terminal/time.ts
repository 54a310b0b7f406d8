import { formatDuration } from "@isthmus/contract";

/** `5 minutes ago`, or with "for" the bare `5 minutes`; the text itself when it is no time. */
export function ago(iso: string, form: "ago" | "for" = "ago", now: number = Date.now()): string {
  const ms = Date.parse(iso);
  if (Number.isNaN(ms)) return iso;
  const spent = Math.max(0, now - ms);
  const text = spent < 1000 ? "a moment" : formatDuration(Math.floor(spent / 1000) * 1000).replace(/\.0 s$/, " s");
  return form === "ago" ? `${text} ago` : text;
}
