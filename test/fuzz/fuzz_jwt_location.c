/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any path, headers and cookies: what finds tokens and what takes them out must agree, so that no token stays behind.
 * The input is lines: the path, then "name: value" each.
 */
#include <stdint.h>
#include <stdlib.h>

#include "filters/jwt_location.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sp_jwt_header headers[] = {{SP_STR_INIT("authorization"), SP_STR_INIT("Bearer ")},
                                         {SP_STR_INIT("x-t"), SP_STR_INIT("")}};
static struct sp_str params[] = {SP_STR_INIT("access_token"), SP_STR_INIT("t")}, cookies[] = {SP_STR_INIT("s")};
static const struct sp_jwt_locations all = {headers, params, cookies, 2, 2, 1};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_arena arena;
    struct sp_headers h;
    struct sp_str rest = sp_str_n((const char *)data, size), line = SP_STR_NULL, token;
    sp_arena_init(&arena);
    sp_headers_init(&h, &arena);
    sp_str_split(&rest, '\n', &line);
    h.path = line;
    while (h.n < 20 && sp_str_split(&rest, '\n', &line)) {
        ptrdiff_t colon = sp_str_chr(line, ':');
        struct sp_str name = colon > 0 ? sp_str_sub(line, 0, (size_t)colon) : SP_STR_NULL;
        if (sp_header_name_valid(name))
            sp_headers_add(&h, name, sp_str_trim(sp_str_sub(line, (size_t)colon + 1, line.len)));
    }
    sp_jwt_locate(&all, &h, &arena, &token);
    sp_jwt_remove(&all, &h);
    if (sp_jwt_locate(&all, &h, &arena, &token) != SP_JWT_FOUND_NONE)
        abort();
    sp_arena_done(&arena);
    return 0;
}
