/** The part of Kconfig's .config syntax that a fragment uses: `CONFIG_X=value` and `# CONFIG_X is not set`. */

const SET = /^(CONFIG_\w+)=(.+)$/;
const UNSET = /^# (CONFIG_\w+) is not set$/;

/** Option → value; `n` for one that is not set. */
export function parseConfig(text: string): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (const line of text.split("\n")) {
    const set = SET.exec(line.trim());
    const unset = UNSET.exec(line.trim());
    if (set?.[1] !== undefined && set[2] !== undefined) options.set(set[1], set[2]);
    else if (unset?.[1] !== undefined) options.set(unset[1], "n");
  }
  return options;
}

/** Lines of `fragment` that `config` does not hold: Kconfig drops without a word what a dependency forbids or a release no longer knows. */
export function lostOptions(fragment: string, config: string): readonly string[] {
  const got = parseConfig(config);
  return [...parseConfig(fragment)].filter(([name, value]) => (got.get(name) ?? "n") !== value).map(([name, value]) => `${name}=${value}`);
}
