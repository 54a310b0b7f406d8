#pragma once

/* The machine's processes, each a line of figures (pid, parent, user, resident bytes, ms of processor time, ms since 1970 of its start, bytes of the command) and its command line. */
void processes_print(void);
