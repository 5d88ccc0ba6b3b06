/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as the beginning of a TLS connection, in two segments cut where the first byte says: no crash, no reading
 * behind the end, and the same answer as in one segment.
 */
#include <assert.h>
#include <stdint.h>

#include "net/client_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct sp_client_hello *h)
{
    assert(h->n_alpn <= SP_CLIENT_HELLO_MAX_ALPN && h->sni.len <= 255);
    for (unsigned i = 0; i < h->n_alpn; i++)
        assert(h->alpn[i].len > 0 && h->alpn[i].ptr);
    for (size_t i = 0; i < h->sni.len; i++)
        assert(h->sni.ptr[i] > ' ' && h->sni.ptr[i] < 127);
    assert(h->ciphers.len >= 2 && h->ciphers.len % 2 == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t cut = data[0] % size;
    bool again = data[0] & 1;
    struct sp_arena arena;
    struct sp_buf in;
    struct sp_client_hello hello, other;
    const char *why = NULL;
    sp_arena_init(&arena);
    sp_buf_init(&in);
    sp_buf_append_static(&in, data + 1, size - 1);
    int r = (again ? sp_client_hello_parse_again : sp_client_hello_parse)(&in, &arena, &hello, &why);
    assert(r >= 0 || why);
    if (r > 0)
        check(&hello);
    sp_buf_clear(&in);
    if (cut) {
        sp_buf_append_static(&in, data + 1, cut);
        sp_buf_append_static(&in, data + 1 + cut, size - 1 - cut);
        int again_r = (again ? sp_client_hello_parse_again : sp_client_hello_parse)(&in, &arena, &other, &why);
        assert(again_r == r);
        assert(r <= 0 || (sp_str_eq(hello.sni, other.sni) && hello.n_alpn == other.n_alpn));
        sp_buf_clear(&in);
    }
    sp_arena_done(&arena);
    return 0;
}
