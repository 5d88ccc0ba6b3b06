/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paths, authorities and places that redirects lead to.  The first byte has the rules of normalisation, the second one says what the rest
 * is: 'P' a path, 'H' an authority, 'L' a Location.  A path in its normal form stays as it is, has no dot segment left and no escaped
 * letter; no authority grows; a place that is followed is one.
 */
#include "head_lines.h"
#include "route/internal_redirect.h"
#include "stream/host.h"
#include "stream/path.h"
#include "stream/sanitize.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void no_dots(struct sp_str path)
{
    struct sp_str part;
    path.len = sp_str_chr(path, '?') >= 0 ? (size_t)sp_str_chr(path, '?') : path.len;
    while (sp_str_split(&path, '/', &part))
        CHECK(!sp_str_eq(part, SP_STR(".")) && !sp_str_eq(part, SP_STR("..")));
}

static void check_path(unsigned flags, struct sp_str path, struct sp_arena *arena)
{
    const struct sp_path_rules rules = {.normalize = flags & 1, .merge_slashes = flags & 2, .escaped_slashes = flags >> 2 & 3};
    if (!path.len || path.ptr[0] != '/' || !sp_header_value_valid(path)) /* no codec lets it through */
        return;
    enum sp_path_result result = sp_path_normalize(&rules, arena, &path);
    if (result == SP_PATH_REJECT)
        return;
    CHECK(path.len && path.ptr[0] == '/');
    if (!rules.normalize)
        return;
    CHECK(sp_str_find(path, SP_STR("%00")) < 0 || sp_str_chr(path, '?') >= 0);
    no_dots(path);
    struct sp_str again = path;
    CHECK(sp_path_normalize(&rules, arena, &again) == SP_PATH_OK && sp_str_eq(path, again));
}

static void check_host(struct sp_str host, struct sp_arena *arena)
{
    if (!sp_authority_valid(host))
        return;
    struct sp_str dot = sp_host_strip_dot(host, arena), port = sp_host_strip_port(host, 0), only = sp_host_strip_port(host, 443);
    CHECK(dot.len <= host.len && port.len <= only.len && only.len <= host.len);
    CHECK(sp_authority_valid(dot) || dot.len == 0);
}

static void check_location(struct sp_str text, struct sp_arena *arena)
{
    struct sp_redirect_target t;
    sp_referer_valid(text);
    if (!sp_redirect_parse(text, arena, &t))
        return;
    CHECK(t.authority.len && sp_authority_valid(t.authority));
    CHECK(t.path.len && t.path.ptr[0] == '/' && sp_str_chr(t.path, '#') < 0);
    CHECK(t.scheme.len && t.http == sp_str_ieq(t.scheme, SP_STR("http"))); /* who follows it looks for https */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct sp_arena arena;
    struct sp_str text = sp_str_n((const char *)data + 2, size - 2);
    sp_arena_init(&arena);
    if (data[1] == 'H')
        check_host(text, &arena);
    else if (data[1] == 'L' && sp_header_value_valid(text))
        check_location(text, &arena);
    else if (data[1] == 'P')
        check_path(data[0], text, &arena);
    sp_arena_done(&arena);
    return 0;
}
