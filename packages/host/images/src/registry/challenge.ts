/** One way that a server offers to tell it who asks (RFC 9110, section 11.6.1). */
export interface Challenge {
  /** lower case */
  readonly scheme: string;
  /** names in lower case */
  readonly params: ReadonlyMap<string, string>;
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const param = new RegExp(`^[\\s,]*(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))`);
const scheme = new RegExp(`^[\\s,]*(${token})(?=[\\s,]|$)`);

/** The challenges of a WWW-Authenticate header; what cannot be read ends the list. */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { readonly scheme: string; readonly params: Map<string, string> }[] = [];
  let rest = header;
  while (rest.trim() !== "") {
    const pair = param.exec(rest);
    if (pair !== null) {
      const [whole, name = "", quoted, bare] = pair;
      challenges.at(-1)?.params.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, "$1") ?? bare ?? "");
      rest = rest.slice(whole.length);
      continue;
    }
    const named = scheme.exec(rest);
    if (named === null) break;
    challenges.push({ scheme: (named[1] ?? "").toLowerCase(), params: new Map() });
    rest = rest.slice(named[0].length);
  }
  return challenges;
}
