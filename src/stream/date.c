/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/date.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

static _Thread_local int64_t second = INT64_MIN;
static _Thread_local char text[SP_DATE_LEN + 1];

static void render(int64_t now)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t t = (time_t)now;
    struct tm tm;
    gmtime_r(&t, &tm);
    char buf[64]; /* more than is written: the compiler cannot know that years have four digits */
    snprintf(buf, sizeof(buf), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
             (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min, tm.tm_sec);
    memcpy(text, buf, SP_DATE_LEN);
    second = now;
}

struct sp_str sp_date(int64_t wall_ns, struct sp_arena *arena)
{
    assert(arena && wall_ns >= 0);
    int64_t now = wall_ns / 1000000000;
    if (now != second)
        render(now);
    char *p = sp_arena_alloc(arena, SP_DATE_LEN);
    memcpy(p, text, SP_DATE_LEN);
    return sp_str_n(p, SP_DATE_LEN);
}
