/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What authentication plugins share.  Private to tools/convert*. */
#ifndef SP_TOOLS_CONVERT_AUTH_H
#define SP_TOOLS_CONVERT_AUTH_H

#include "tools/convert_parts.h"

#define SP_KEY_AUTH "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth"
#define SP_BASIC_AUTH "envoy.extensions.filters.http.basic_auth.v3.BasicAuth"

/* What a route requires: the first plugins of that config, as none of them has a state of its own; NULL: none, or an open one. */
struct sp_convert_required {
    const struct sp_kong_plugin *jwt, *acl, *oidc, *key, *basic;
};

/* An `anonymous` consumer lets everybody pass whom the plugin does not know. */
static inline bool sp_convert_is_open(const struct sp_kong_plugin *p)
{
    return sp_kong_str(p->config, "anonymous", SP_STR_NULL).len > 0;
}

static inline bool sp_convert_is(const struct sp_kong_plugin *p, const char *name)
{
    return p && sp_str_eq(p->name, sp_str_c(name));
}

/* --- convert_keys.c: key-auth, basic-auth, and who is in which group --- */

/* Whether an acl plugin (NULL: none) lets this consumer in. */
bool sp_convert_acl_admits(const struct sp_convert *c, const struct sp_kong_plugin *acl, const struct sp_node *consumer);
unsigned sp_convert_credentials(const struct sp_convert *c, const char *kind);
void sp_convert_keys(struct sp_convert *c, unsigned indent);
void sp_convert_route_keys(struct sp_convert *c, unsigned indent, const struct sp_convert_required *q);
/* basic-auth whose acl admits none of its users. */
bool sp_convert_no_users(struct sp_convert *c, const struct sp_convert_required *q);

/* --- convert_issuer.c --- */

/* An openid-connect plugin whose issuer can be asked. */
bool sp_convert_is_oidc(const struct sp_kong_plugin *p);
/* "https://host[:port][/path]" without what discovery adds. */
struct sp_str sp_convert_issuer(const struct sp_kong_plugin *p);

#endif
