/* How a task fails: code, line feed and message on standard error, status 1. */
#pragma once
#include <stdbool.h>

_Noreturn void task_fail(const char *code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Unless `ok`, fails with errno. */
void task_check(bool ok, const char *what);
