/* Figures of the machine. */
#pragma once

/* One JSON object on standard output: docs/guest-protocol.md, `stats`. */
void stats_print(void);
