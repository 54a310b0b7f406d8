import { invalid } from "./invalid.ts";

/** Words of a command in a Dockerfile's forms: a JSON array as it is, anything else as a line for the shell. */
export function commandForm(flag: string): (text: string) => readonly string[] {
  return (text) => {
    if (!text.trimStart().startsWith("[")) return ["/bin/sh", "-c", text];
    const words = parseArray(text);
    if (words === undefined) throw invalid(flag, text, 'write a line for the shell, or a JSON array such as ["httpd", "-f"]');
    return words;
  };
}

function parseArray(text: string): readonly string[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((word) => typeof word === "string") ? value : undefined;
  } catch {
    return undefined;
  }
}
