/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/token_status.h"

#include <assert.h>

static const struct {
    struct sp_str error, word, body, denied, failed;
    unsigned code;
} table[] = {
#define X(id, status, error, word, body) \
    [SP_TOKEN_##id] = {SP_STR_INIT(error), SP_STR_INIT(word), SP_STR_INIT(body), \
                       SP_STR_INIT("token_introspection_denied{" word "}"), \
                       SP_STR_INIT("token_introspection_error{" word "}"), status},
    SP_TOKEN_STATUS_TABLE(X)
#undef X
};

unsigned sp_token_status_code(enum sp_token_status s)
{
    assert(s < SP_TOKEN_N_STATUS);
    return table[s].code;
}

struct sp_str sp_token_status_error(enum sp_token_status s)
{
    assert(s < SP_TOKEN_N_STATUS);
    return table[s].error;
}

struct sp_str sp_token_status_word(enum sp_token_status s)
{
    assert(s < SP_TOKEN_N_STATUS);
    return table[s].word;
}

struct sp_str sp_token_status_body(enum sp_token_status s)
{
    assert(s < SP_TOKEN_N_STATUS);
    return table[s].body;
}

struct sp_str sp_token_status_details(enum sp_token_status s)
{
    assert(s < SP_TOKEN_N_STATUS);
    return sp_token_status_undecided(s) ? table[s].failed : table[s].denied;
}
