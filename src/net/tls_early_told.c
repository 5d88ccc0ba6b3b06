/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a connection says of its early data: in a file of its own, for net/tls_early knows nothing of net/tls. */
#include <assert.h>

#include "net/tls.h"
#include "net/tls_early.h"

bool sp_tls_early_allows(const struct sp_tls *t, struct sp_str method)
{
    assert(t && t->ctx->early);
    return sp_tls_early_takes(t->ctx->early, method);
}

enum sp_tls_early_fate sp_tls_early_fate(const struct sp_tls *t)
{
    assert(t);
    return t->early_fate == SP_TLS_EARLY_ACCEPTED && !t->early_taken ? SP_TLS_EARLY_REJECTED : (enum sp_tls_early_fate)t->early_fate;
}

uint32_t sp_tls_early_bytes(const struct sp_tls *t)
{
    assert(t);
    return t->early_taken ? t->early_in : 0;
}

size_t sp_tls_early_room(const struct sp_tls *t)
{
    assert(t);
    return sp_tls_early_most(t->ctx->early);
}
