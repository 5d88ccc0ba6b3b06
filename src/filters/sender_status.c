/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/sender_status.h"

#include <assert.h>

static const struct {
    struct sp_str error, word, denied, failed;
    unsigned code;
} table[] = {
#define X(id, status, error, word) \
    [SP_SENDER_##id] = {SP_STR_INIT(error), SP_STR_INIT(word), SP_STR_INIT("sender_constraint_denied{" word "}"), \
                        SP_STR_INIT("sender_constraint_error{" word "}"), status},
    SP_SENDER_STATUS_TABLE(X)
#undef X
};

unsigned sp_sender_status_code(enum sp_sender_status s)
{
    assert(s < SP_SENDER_N_STATUS);
    return table[s].code;
}

struct sp_str sp_sender_status_error(enum sp_sender_status s)
{
    assert(s < SP_SENDER_N_STATUS);
    return table[s].error;
}

struct sp_str sp_sender_status_word(enum sp_sender_status s)
{
    assert(s < SP_SENDER_N_STATUS);
    return table[s].word;
}

struct sp_str sp_sender_status_details(enum sp_sender_status s)
{
    assert(s < SP_SENDER_N_STATUS);
    return sp_sender_status_ours(s) ? table[s].failed : table[s].denied;
}

struct sp_str sp_sender_status_body(enum sp_sender_status s)
{
    if (sp_sender_status_ours(s))
        return SP_STR("The sender of the access token cannot be checked now");
    switch (s) {
    case SP_SENDER_NO_TOKEN:
        return SP_STR("Access token is missing");
    case SP_SENDER_TOKENS_DIFFER:
        return SP_STR("More than one access token");
    case SP_SENDER_NONCE:
        return SP_STR("DPoP proof needs the nonce of this answer");
    default:
        break;
    }
    if (s >= SP_SENDER_PROOF_MISSING && s <= SP_SENDER_PROOF_REPLAYED)
        return SP_STR("DPoP proof is not valid");
    return SP_STR("Access token is not bound to its sender");
}
