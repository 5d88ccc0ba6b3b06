/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a token (first byte 'T') or as a key set: neither may crash, leak or verify.  A token that does verify
 * has to be one of the two that the RFCs give for these keys.
 */
#include <stdint.h>
#include <stdlib.h>

#include "crypto/jws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAYLOAD "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define HS_TOKEN "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." PAYLOAD ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define ES_TOKEN "eyJhbGciOiJFUzI1NiJ9." PAYLOAD \
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"

static const char keys[] =
    "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN"
    "3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvR"
    "VEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYK"
    "xCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd"
    "_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soM"
    "Zo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4L"
    "T6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"}]}";

static void token(struct sp_str text, struct sp_arena *arena)
{
    static struct sp_jwks *set; /* for the process's life */
    const char *why;
    struct sp_jws jws;
    if (!set)
        set = sp_jwks_new(SP_STR(keys), arena, &why);
    if (!set)
        abort();
    if (sp_jws_parse(text, arena, &jws) != SP_JWS_OK)
        return;
    bool good = sp_jws_verify(&jws, set) == SP_JWS_OK;
    if (good && !sp_str_eq(text, SP_STR(HS_TOKEN)) && !sp_str_eq(text, SP_STR(ES_TOKEN)))
        abort();
    sp_jws_done(&jws);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_arena arena;
    const char *why;
    if (size == 0)
        return 0;
    struct sp_str text = sp_str_n((const char *)data + 1, size - 1);
    sp_arena_init(&arena);
    if (data[0] == 'T')
        token(text, &arena);
    else
        sp_jwks_free(sp_jwks_new(text, &arena, &why));
    sp_arena_done(&arena);
    return 0;
}
