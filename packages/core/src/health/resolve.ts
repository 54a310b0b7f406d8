import { defaults, type Healthcheck, type Image, IsthmusError, limits } from "@isthmus/contract";

/** A check with all its figures; `test` is the command. */
export type DecidedCheck = Required<Healthcheck>;

/**
 * The check of a machine: what its spec says, else its image, as docker puts them together. Undefined when there is none. Figures of an image that are out of
 * all bounds are the nearest bound. Throws INVALID_REQUEST. Pure.
 */
export function resolveHealthcheck(asked: Healthcheck | undefined, image: Image): DecidedCheck | undefined {
  const ofImage = image.config.healthcheck;
  const test = asked?.test ?? ofImage?.test;
  if (test === undefined) {
    if (asked === undefined) return undefined;
    throw new IsthmusError("INVALID_REQUEST", {
      field: "healthcheck.test",
      reason: "neither spec nor image say what to run",
      value: "nothing",
    });
  }
  if (test[0] === "NONE") return undefined;
  if (!isCommand(test)) {
    if (asked?.test === undefined) return undefined;
    const reason = "write CMD and words, CMD-SHELL and one line, or NONE";
    throw new IsthmusError("INVALID_REQUEST", { field: "healthcheck.test", reason, value: test.slice(0, 2).join(" ") });
  }
  const span = (value: number | undefined, otherwise: number, least: number = limits.healthSpanMinMs) =>
    Math.min(limits.healthSpanMaxMs, Math.max(least, Math.round(value ?? otherwise)));
  return {
    test: [...test],
    intervalMs: span(asked?.intervalMs ?? ofImage?.intervalMs, defaults.healthIntervalMs),
    timeoutMs: span(asked?.timeoutMs ?? ofImage?.timeoutMs, defaults.healthTimeoutMs),
    retries: Math.min(limits.healthRetries, asked?.retries ?? ofImage?.retries ?? defaults.healthRetries),
    startPeriodMs: span(asked?.startPeriodMs ?? ofImage?.startPeriodMs, 0, 0),
    startIntervalMs: span(asked?.startIntervalMs ?? ofImage?.startIntervalMs, defaults.healthStartIntervalMs),
  };
}

function isCommand([kind, first, second]: readonly string[]): boolean {
  if (first === undefined || first === "") return false;
  return kind === "CMD" || (kind === "CMD-SHELL" && second === undefined);
}

export function commandOf([kind, ...words]: readonly string[]): string[] {
  return kind === "CMD-SHELL" ? ["/bin/sh", "-c", ...words] : words;
}
