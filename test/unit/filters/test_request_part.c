/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A path's segment, where it is given, is the one that an origin finds, whatever it does to the path first: as it stands, by
 * the connection manager's own normalisation of every kind, decoded once, decoded before it is split. All short paths over
 * what paths are hidden with are tried.
 */
#include "fake_chain.h"

#include <string.h>

#include "filters/request_part.h"
#include "stream/path.h"

static const char *const pieces[] = {"/", "a", "b", ".", "%2e", "%2F", "\\", ";", "%5c", "%61", "%252e"};

enum { MOST = 6, WHICH = 1 };

/* Of a path as an origin might see it. */
static struct sp_str segment(struct sp_str path, unsigned which)
{
    struct sp_str s = SP_STR_NULL, rest = sp_str_sub(path, 1, path.len);
    for (unsigned i = 0; sp_str_split(&rest, '/', &s); i++)
        if (i == which)
            return s;
    return SP_STR_NULL;
}

static struct sp_str decoded(struct sp_arena *arena, struct sp_str s)
{
    struct sp_str copy = sp_arena_str(arena, s);
    char *p = (char *)(uintptr_t)copy.ptr;
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned c = 0;
        if (s.ptr[i] == '%' && i + 2 < s.len && sscanf(s.ptr + i + 1, "%2x", &c) == 1) {
            p[n++] = (char)c;
            i += 2;
        } else {
            p[n++] = s.ptr[i];
        }
    }
    copy.len = n;
    return copy;
}

static void same(struct sp_str path, struct sp_str seen, struct sp_str part, const char *how)
{
    struct sp_str found = segment(seen, WHICH);
    if (!sp_str_eq(found, part))
        fail_msg("%.*s, %s: %.*s, not %.*s", SP_STR_ARG(path), how, SP_STR_ARG(found), SP_STR_ARG(part));
}

static void check(const struct sp_request_part *p, struct fake_stream *s, unsigned *found)
{
    struct sp_str path = s->request.path, part = sp_request_part_get(p, &s->request);
    if (!part.ptr)
        return;
    ++*found;
    same(path, path, part, "as it stands");
    for (unsigned way = 0; way < 8; way++) {
        const struct sp_path_rules rules = {.normalize = way & 1, .merge_slashes = way & 2,
                                            .escaped_slashes = way & 4 ? SP_SLASHES_FORWARD : SP_SLASHES_KEEP};
        struct sp_str seen = path;
        assert_int_equal(sp_path_normalize(&rules, &s->arena, &seen), SP_PATH_OK);
        same(path, seen, part, "normalised");
        struct sp_str again = decoded(&s->arena, seen);
        const struct sp_path_rules all = {true, true, SP_SLASHES_FORWARD};
        assert_int_equal(sp_path_normalize(&all, &s->arena, &again), SP_PATH_OK);
        same(path, again, part, "decoded, then normalised");
    }
}

static void all_paths(const struct sp_request_part *p, struct fake_stream *s, char *text, size_t len, unsigned left,
                      unsigned *found)
{
    s->request.path = sp_str_n(text, len);
    check(p, s, found);
    sp_arena_done(&s->arena);
    sp_arena_init(&s->arena);
    for (unsigned i = 0; left && i < SP_ARRAY_LEN(pieces); i++) {
        size_t n = strlen(pieces[i]);
        memcpy(text + len, pieces[i], n);
        all_paths(p, s, text, len + n, left - 1, found);
    }
}

static void test_no_origin_finds_another(void **state)
{
    static struct fake_stream s;
    const struct sp_request_part p = {.kind = SP_PART_PATH_SEGMENT, .segment = WHICH};
    char text[64] = "/t/";
    unsigned found = 0;
    fake_stream_init(&s, "/");
    all_paths(&p, &s, text, 3, MOST - 1, &found);
    text[0] = '/';
    all_paths(&p, &s, text, 1, MOST - 1, &found);
    assert_true(found > 1000); /* and it is not that nothing is ever given */
    fake_stream_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_origin_finds_another)};
    return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
