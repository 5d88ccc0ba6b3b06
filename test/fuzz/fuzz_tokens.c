/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes, by the first one: 'U' a URI of a DPoP proof, 'P' a proof, 'A' an answer of an introspection endpoint, 'T' a token.
 * Nothing may crash or leak; a URI in its one form is its own form; no proof is good but RFC 9449's.
 */
#include <stdint.h>
#include <stdlib.h>

#include "filters/dpop_proof.h"
#include "filters/dpop_uri.h"
#include "filters/token_answer.h"
#include "../unit/filters/rfc9449.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void uri(struct sp_str text, struct sp_arena *arena)
{
    struct sp_str once, twice;
    if (!sp_dpop_uri(text, arena, &once))
        return;
    if (!sp_dpop_uri(once, arena, &twice) || !sp_str_eq(once, twice))
        abort();
}

static void proof(struct sp_str text, struct sp_arena *arena)
{
    static const struct sp_str algs[] = {SP_STR_INIT("ES256"), SP_STR_INIT("RS256"), SP_STR_INIT("EdDSA")};
    static const struct sp_str uris[] = {SP_STR_INIT(R_HTU)};
    const struct sp_dpop_expect e = {.method = SP_STR("GET"), .uris = uris, .n_uris = 1, .token = SP_STR(R_TOKEN), .algs = algs,
                                     .n_algs = 3, .now = R_IAT, .window = 60};
    struct sp_dpop_proof got;
    if (sp_dpop_check(text, &e, arena, &got) == SP_SENDER_OK && !sp_str_eq(text, SP_STR(R_PROOF)))
        abort();
}

static void answer(struct sp_str text)
{
    static const struct sp_str name[] = {SP_STR_INIT("api")};
    const struct sp_token_policy p = {.issuers = name, .audiences = name, .n_issuers = 1, .n_audiences = 1, .skew = 60};
    json_t *claims;
    if (sp_token_answer_read(text, &claims) != SP_TOKEN_OK)
        return;
    sp_token_answer_check(claims, &p, 1800000000);
    sp_token_answer_has_scopes(claims, name, 1);
    sp_token_answer_exp(claims);
    json_decref(claims);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct sp_arena arena;
    sp_arena_init(&arena);
    /* A copy of its own size, so that reading behind it is seen. */
    char *copy = malloc(size);
    memcpy(copy, data + 1, size - 1);
    struct sp_str text = sp_str_n(copy, size - 1);
    switch (data[0]) {
    case 'U':
        uri(text, &arena);
        break;
    case 'P':
        proof(text, &arena);
        break;
    case 'A':
        answer(text);
        break;
    default:
        sp_token_well_formed(text);
        sp_token_is_jwt(text, &arena);
    }
    free(copy);
    sp_arena_done(&arena);
    return 0;
}
