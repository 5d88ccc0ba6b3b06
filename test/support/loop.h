/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A worker for tests, driven step by step on the test's own thread: LOOP_UNTIL runs turns until something is true, and
 * fails after some seconds.
 */
#ifndef SP_TEST_LOOP_H
#define SP_TEST_LOOP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "event/worker.h"

struct loop {
    struct sp_worker worker;
    struct sp_timer tick; /* so that no turn sleeps long */
};

struct loop *loop_new(void);
/* Lets what was closed run out, and asserts that no handle is left open. */
void loop_free(struct loop *l);
/* One turn, of at most 5 ms' sleep. */
void loop_turn(struct loop *l);
/* Turns for so long. */
void loop_wait(struct loop *l, unsigned ms);
uint64_t loop_now_ms(void);

#define LOOP_UNTIL(l, cond) \
    do { \
        for (uint64_t until_ = loop_now_ms() + 5000; !(cond);) { \
            if (loop_now_ms() > until_) \
                fail_msg("%s did not become true", #cond); \
            loop_turn(l); \
        } \
    } while (0)

#endif
