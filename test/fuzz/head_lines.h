/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request's head out of a fuzzer's bytes: only what a codec would let through comes into it. */
#ifndef HEAD_LINES_H
#define HEAD_LINES_H

#include <stdlib.h>

#include "http/headers.h"

#define CHECK(what) \
    do { \
        if (!(what)) \
            abort(); \
    } while (0)

enum { HEAD_LINES = 40 };

/*
 * Lines "name: value"; ":method", ":authority" and ":path" set the fields. What is not there, or is not valid: GET, a.test, /.
 */
static inline void head_lines(struct sp_headers *h, struct sp_arena *arena, struct sp_str text)
{
    struct sp_str line;
    sp_headers_init(h, arena);
    h->method = SP_STR("GET");
    h->scheme = SP_STR("https");
    h->authority = SP_STR("a.test");
    h->path = SP_STR("/");
    h->version = SP_HTTP_2;
    while (h->n < HEAD_LINES && sp_str_split(&text, '\n', &line)) {
        ptrdiff_t colon = line.len ? sp_str_chr(sp_str_sub(line, 1, line.len), ':') : -1;
        if (colon < 0)
            continue;
        struct sp_str name = sp_str_sub(line, 0, (size_t)colon + 1), value = sp_str_trim(sp_str_sub(line, (size_t)colon + 2, line.len));
        if (!sp_header_value_valid(value))
            continue;
        if (sp_str_eq(name, SP_STR(":method"))) {
            if (sp_method_valid(value) && !sp_str_eq(value, SP_STR("CONNECT")))
                h->method = value;
        } else if (sp_str_eq(name, SP_STR(":authority"))) {
            if (sp_authority_valid(value))
                h->authority = value;
        } else if (sp_str_eq(name, SP_STR(":path"))) {
            if (value.len && value.ptr[0] == '/' && sp_str_chr(value, ' ') < 0)
                h->path = value;
        } else if (sp_header_name_valid(name) && !sp_header_is_framing(sp_header_id(name))) {
            sp_headers_add(h, name, value);
        }
    }
}

/* A head that may go on to somebody. */
static inline void head_check(const struct sp_headers *h)
{
    for (unsigned i = 0; i < h->n; i++)
        CHECK(sp_header_name_valid(h->v[i].name) && sp_header_value_valid(h->v[i].value));
}

#endif
