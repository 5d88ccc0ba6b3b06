/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/audit_checks.h"

#include <assert.h>

static const struct sp_audit_area *const areas[] = {
    &sp_audit_trust,  &sp_audit_tls,    &sp_audit_certs,   &sp_audit_http,    &sp_audit_limits,
    &sp_audit_routes, &sp_audit_tokens, &sp_audit_headers, &sp_audit_filters, &sp_audit_upgrades, &sp_audit_origins, &sp_audit_retries,
};

const struct sp_audit_area *const *sp_audit_areas(size_t *ret_n)
{
    assert(ret_n);
    *ret_n = SP_ARRAY_LEN(areas);
    return areas;
}
