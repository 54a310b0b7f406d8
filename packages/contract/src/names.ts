/** Names of machines, networks, volumes and the like. */
export const namePattern = "^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$";
export const absolutePathPattern = "^/[^\\u0000]*$";
export const hostnamePattern = "^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$";

/** What the patterns that people meet most want of a value, in words. */
export const patternWords: ReadonlyMap<string, string> = new Map([
  [namePattern, "it must be 1 to 63 letters, digits, '_', '.' or '-', beginning with a letter or digit"],
  [absolutePathPattern, "it must be an absolute path, such as /srv/app"],
  [hostnamePattern, "it must be letters, digits and '-', with a letter or digit at both ends"],
]);
