/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/registry.h"

const struct sp_filter_ops *const *sp_filter_registry(void)
{
    static const struct sp_filter_ops *const table[] = {
        &sp_origin_shield_ops,
        &sp_header_certificate_ops,
        &sp_ip_restriction_ops,
        &sp_health_check_ops,
        &sp_admin_pages_ops,
        &sp_ip_tagging_ops,
        &sp_cdn_loop_ops,
        &sp_compressor_ops,
        &sp_cors_ops,
        &sp_csrf_ops,
        &sp_buffer_ops,
        &sp_header_to_metadata_ops,
        &sp_set_metadata_ops,
        &sp_basic_auth_ops,
        &sp_api_key_auth_ops,
        &sp_jwt_authn_ops,
        &sp_token_introspection_ops,
        &sp_sender_constraint_ops,
        &sp_ext_authz_ops,
        &sp_local_ratelimit_ops,
        &sp_ratelimit_ops,
        &sp_rbac_ops,
        &sp_claims_authz_ops,
        &sp_header_mutation_ops,
        &sp_credential_injector_ops,
        &sp_router_ops,
        NULL,
    };
    return table;
}
