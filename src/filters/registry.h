/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one table of HTTP filters.  Static, any thread.  A new filter is a line here.
 */
#ifndef SP_FILTERS_REGISTRY_H
#define SP_FILTERS_REGISTRY_H

#include "stream/filter.h"

/* NULL-terminated; for sp_hcm_build.registry. */
const struct sp_filter_ops *const *sp_filter_registry(void);

extern const struct sp_filter_ops sp_router_ops;
extern const struct sp_filter_ops sp_origin_shield_ops;
extern const struct sp_filter_ops sp_header_certificate_ops;
extern const struct sp_filter_ops sp_ip_restriction_ops;
extern const struct sp_filter_ops sp_health_check_ops;
extern const struct sp_filter_ops sp_admin_pages_ops;
extern const struct sp_filter_ops sp_ip_tagging_ops;
extern const struct sp_filter_ops sp_cdn_loop_ops;
extern const struct sp_filter_ops sp_compressor_ops;
extern const struct sp_filter_ops sp_cors_ops;
extern const struct sp_filter_ops sp_csrf_ops;
extern const struct sp_filter_ops sp_buffer_ops;
extern const struct sp_filter_ops sp_header_to_metadata_ops;
extern const struct sp_filter_ops sp_set_metadata_ops;
extern const struct sp_filter_ops sp_basic_auth_ops;
extern const struct sp_filter_ops sp_api_key_auth_ops;
extern const struct sp_filter_ops sp_jwt_authn_ops;
extern const struct sp_filter_ops sp_token_introspection_ops;
extern const struct sp_filter_ops sp_sender_constraint_ops;
extern const struct sp_filter_ops sp_ext_authz_ops;
extern const struct sp_filter_ops sp_local_ratelimit_ops;
extern const struct sp_filter_ops sp_ratelimit_ops;
extern const struct sp_filter_ops sp_rbac_ops;
extern const struct sp_filter_ops sp_claims_authz_ops;
extern const struct sp_filter_ops sp_header_mutation_ops;
extern const struct sp_filter_ops sp_credential_injector_ops;

#endif
