import { KIB } from "@isthmus/contract";

/** checks that run at a time on this host, so that many machines' checks are no storm */
export const CHECKS_AT_A_TIME = 8;
/** checks that are remembered of each machine */
export const CHECKS_KEPT = 5;
/** output that is kept of each */
export const CHECK_OUTPUT_BYTES = 4 * KIB;
/** exit code of a check that gave none */
export const NO_EXIT = -1;
