/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/http/h1_table.h"

#include <stdlib.h>
#include <string.h>

struct sp_codec_config h1_config;

int h1_setup(void **state)
{
    (void)state;
    sp_codec_config_init(&h1_config, true);
    return 0;
}

int h1_teardown(void **state)
{
    (void)state;
    sp_arena_thread_done();
    sp_buf_thread_done();
    return 0;
}

void h1_expect(enum sp_h1_kind kind, const char *bytes, size_t n, const char *expected, size_t first, size_t piece)
{
    char *got = h1_dump(kind, &h1_config, bytes, n, first, piece);
    if (strcmp(got, expected) != 0)
        fail_msg("%.*s\ncut at %zu, in pieces of %zu:\n  got  %s\n  want %s", (int)n, bytes, first, piece, got, expected);
    free(got);
}

void h1_check(enum sp_h1_kind kind, const struct message *m)
{
    h1_expect(kind, m->bytes, m->len, m->expected, 0, m->len);
    h1_expect(kind, m->bytes, m->len, m->expected, 0, 1);
    for (size_t cut = 1; cut < m->len; cut++)
        h1_expect(kind, m->bytes, m->len, m->expected, cut, m->len);
}

void h1_check_all(enum sp_h1_kind kind, const struct message *table, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h1_check(kind, &table[i]);
}
