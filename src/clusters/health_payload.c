/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/health_payload.h"

#include <assert.h>

typedef Envoy__Config__Core__V3__HealthCheck__Payload payload_msg;

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = sp_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct sp_str sp_payload_read(struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag, const payload_msg *msg)
{
    assert(arena && doc && diag && msg);
    if (msg->payload_case != ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__PAYLOAD__PAYLOAD_TEXT)
        return sp_arena_str(arena, sp_str_n((const char *)msg->binary.data, msg->binary.len));
    size_t n = strlen(msg->text) / 2;
    char *out = sp_arena_alloc(arena, n + 1);
    bool good = strlen(msg->text) % 2 == 0;
    for (size_t i = 0; good && i < n; i++) {
        int hi = hex_digit(msg->text[2 * i]), lo = hex_digit(msg->text[2 * i + 1]);
        good = hi >= 0 && lo >= 0;
        out[i] = (char)(hi << 4 | lo);
    }
    if (!good)
        sp_doc_err(doc, diag, msg, "text", -1, "is not in hexadecimal (two digits a byte, such as 50494e47 for PING)");
    return good ? sp_str_n(out, n) : SP_STR_NULL;
}

const struct sp_str *sp_payload_list(struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag, const void *msg,
                                     payload_msg **list, size_t n, size_t *ret_bytes)
{
    assert(arena && doc && diag && msg && ret_bytes);
    struct sp_str *out = sp_arena_alloc(arena, (n + 1) * sizeof(*out));
    *ret_bytes = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned errors = diag->n_errors;
        out[i] = sp_payload_read(arena, doc, diag, list[i]);
        *ret_bytes += out[i].len;
        if (!out[i].len && diag->n_errors == errors)
            sp_doc_err(doc, diag, msg, "receive", (int)i, "is empty (take it out: it would be found in any answer)");
    }
    return out;
}

bool sp_payload_match(const struct sp_str *list, unsigned n, struct sp_buf *b)
{
    assert((list || !n) && b);
    struct sp_str have = n ? sp_str_n(sp_buf_pullup(b, b->len), b->len) : SP_STR_NULL;
    for (unsigned i = 0; i < n; i++) {
        ptrdiff_t at = sp_str_find(have, list[i]);
        if (at < 0)
            return false;
        have = sp_str_sub(have, (size_t)at + list[i].len, have.len);
    }
    return true;
}
