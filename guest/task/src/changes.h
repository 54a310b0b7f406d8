#pragma once

/* What the machine's disk says that its image does not: letter (A, C, D), path and NUL for each. */
void changes_print(void);
/* The same of an upper folder over a lower one. */
void changes_between(const char *upper, const char *lower);
