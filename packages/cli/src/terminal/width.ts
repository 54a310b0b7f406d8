const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const zero = /\p{M}|\u200b|\u200c|\u200d/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the colours that style.ts adds
const colour = /\u001b\[[0-9;]*m/g;

/** Columns that `text` takes on a terminal; our own colour sequences take none. */
export function textWidth(text: string): number {
  const plain = text.replace(colour, "");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: plain ASCII needs no further look
  if (/^[\x00-\x7f]*$/.test(plain)) return plain.length;
  let columns = 0;
  for (const character of plain) columns += zero.test(character) ? 0 : wide.test(character) ? 2 : 1;
  return columns;
}

/** `text` cut to `columns`, the last of them an ellipsis when something was lost. */
export function truncate(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  let kept = "";
  let used = 0;
  for (const character of text) {
    const next = textWidth(character);
    if (used + next > columns - 1) break;
    kept += character;
    used += next;
  }
  return `${kept}…`;
}
