/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a header's value that holds certificates, in the form that the first byte names. */
#include <assert.h>

#include "filters/header_certificate_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_str ders[SP_CERT_CHECK_MAX_CHAIN];
    struct sp_arena arena;
    if (size < 1 || data[0] < 1 || data[0] > 3)
        return 0;
    sp_arena_init(&arena);
    struct sp_str value = sp_str_n((const char *)data + 1, size - 1);
    unsigned n = sp_header_cert_decode((sp_header_cert_format)data[0], value, &arena, ders);
    assert(n <= SP_CERT_CHECK_MAX_CHAIN);
    for (unsigned i = 0; i < n; i++) {
        struct sp_x509 x;
        const char *why = NULL;
        assert(ders[i].len && ders[i].len < size);
        if (sp_x509_parse(ders[i], &arena, &x, &why) < 0)
            assert(why);
    }
    sp_arena_done(&arena);
    return 0;
}
