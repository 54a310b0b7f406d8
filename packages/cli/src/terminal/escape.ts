/** C0 and C1 controls, DEL, and the marks that turn the direction of text around. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what this is about
const unsafe = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]/g;

const named: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** `text` on one line and unable to command a terminal: controls become `\n`, `\x1b`, `\u202e`. Foreign strings pass here before they are shown. */
export function escapeControls(text: string): string {
  return text.replace(unsafe, (character) => {
    const code = character.charCodeAt(0);
    return named[character] ?? (code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`);
  });
}

/** What JSON.stringify leaves: no text command, but a terminal minds them. */
const unsafeInJson = /[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]/g;

/** JSON that can be shown in a terminal: the same value, with every control as `\u009b`. */
export function shownJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    unsafeInJson,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
