/** Linux signal numbers (x86 and ARM, signal(7)), under their names without `SIG`. */
export const signalNumbers = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  PWR: 30,
  SYS: 31,
} as const;

/** The number of `TERM`, `SIGTERM`, `term`, `15` or `RTMIN+3`; undefined when it is no signal. */
export function parseSignal(text: string): number | undefined {
  const name = text.trim().toUpperCase().replace(/^SIG/, "");
  if (/^\d{1,2}$/.test(name)) {
    const number = Number(name);
    return number >= 1 && number <= 64 ? number : undefined;
  }
  const realTime = /^RTMIN(?:\+(\d{1,2}))?$/.exec(name);
  if (realTime) {
    const number = 34 + Number(realTime[1] ?? 0);
    return number <= 64 ? number : undefined;
  }
  return isSignalName(name) ? signalNumbers[name] : undefined;
}

function isSignalName(name: string): name is keyof typeof signalNumbers {
  return Object.hasOwn(signalNumbers, name);
}

/** `SIGTERM` of 15; `SIG` and the number where it has no name. */
export function signalName(number: number): string {
  for (const [name, value] of Object.entries(signalNumbers)) if (value === number) return `SIG${name}`;
  return `SIG${number}`;
}
