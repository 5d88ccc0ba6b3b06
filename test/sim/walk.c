/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "walk.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { SHORT = 2000 }; /* runs of a walk that nobody asked for: a second's, or fewer */

static char words[160]; /* what is said of the run under way; empty: there is none */

static void tell(void)
{
    size_t n = strlen(words);
    if (n && write(STDERR_FILENO, words, n) < 0)
        _exit(1);
    words[0] = 0;
}

static void on_abort(int signo)
{
    tell();
    signal(signo, SIG_DFL);
    raise(signo);
}

/* The address sanitizer calls it, and then ends the program without a signal. */
void __asan_on_error(void);
void __asan_on_error(void)
{
    tell();
}

static void run_one(const char *what, walk_run *run, uint64_t seed)
{
    snprintf(words, sizeof(words), "\n%s failed: repeat it with SP_SIM_SEED=%" PRIu64 " %s\n", what, seed, what);
    run(seed);
    words[0] = 0;
}

int walk_only(void)
{
    return getenv("SP_SIM_SEED") || getenv("SP_SIM_SECONDS");
}

void walk(const char *what, walk_run *run)
{
    const char *one = getenv("SP_SIM_SEED"), *seconds = getenv("SP_SIM_SECONDS");
    uint64_t seed = 1, runs = 0;
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    atexit(tell); /* cmocka ends a program outside of its tests by exit */
    if (one) {
        run_one(what, run, strtoull(one, NULL, 10));
        printf("%s: seed %s passed\n", what, one);
        return;
    }
    if (seconds && getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        seed = (uint64_t)time(NULL);
    time_t end = time(NULL) + (seconds ? strtol(seconds, NULL, 10) : 1);
    do
        run_one(what, run, seed + runs++);
    while (time(NULL) < end && (seconds || runs < SHORT));
    printf("%s: %" PRIu64 " seeds from %" PRIu64 " on\n", what, runs, seed);
}
