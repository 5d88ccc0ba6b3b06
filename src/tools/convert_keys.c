/* SPDX-License-Identifier: GPL-2.0-or-later */
/* key-auth, basic-auth, and who acl admits. */
#include <assert.h>

#include "crypto/hash.h"
#include "tools/convert_auth.h"

/* --- who is in which group --- */

struct membership {
    const struct sp_node *consumer, *groups;
    bool found;
};

static void look_at_group(void *ctx, const struct sp_node *consumer, const struct sp_node *acl)
{
    struct membership *m = ctx;
    m->found |= consumer == m->consumer && sp_kong_has(m->groups, sp_kong_str(acl, "group", sp_kong_text(acl)));
}

bool sp_convert_acl_admits(const struct sp_convert *c, const struct sp_kong_plugin *acl, const struct sp_node *consumer)
{
    if (!acl)
        return true;
    const struct sp_node *allow = sp_kong_get(acl->config, "allow"), *deny = sp_kong_get(acl->config, "deny");
    struct membership m = {.consumer = consumer, .groups = allow ? allow : deny};
    sp_kong_credentials(&c->kong, "acls", look_at_group, &m);
    return m.found == (allow != NULL);
}

static void count(void *ctx, const struct sp_node *consumer, const struct sp_node *credential)
{
    (void)consumer, (void)credential;
    ++*(unsigned *)ctx;
}

unsigned sp_convert_credentials(const struct sp_convert *c, const char *kind)
{
    unsigned n = 0;
    sp_kong_credentials(&c->kong, kind, count, &n);
    return n;
}

/* --- key-auth --- */

struct keys {
    struct sp_convert *c;
    const struct sp_kong_plugin *acl;
    unsigned indent, n;
    struct sp_str names;
};

static void put_key(void *ctx, const struct sp_node *consumer, const struct sp_node *credential)
{
    struct keys *x = ctx;
    struct sp_str key = sp_kong_str(credential, "key", SP_STR_NULL), who = sp_kong_name(consumer, "username"), text;
    if (sp_kong_source(&x->c->kong, key, &text) != SP_KONG_INLINE)
        sp_kong_drop(&x->c->file, credential, "a key of consumer %.*s: it is in a vault", SP_STR_ARG(who));
    else if (key.len)
        sp_put(x->c, x->indent, "- {key: %s, client: %s}", sp_quoted(x->c, key), sp_quoted(x->c, who));
}

static void name_client(void *ctx, const struct sp_node *consumer, const struct sp_node *credential)
{
    struct keys *x = ctx;
    (void)credential;
    if (!sp_convert_acl_admits(x->c, x->acl, consumer))
        return;
    x->names = sp_arena_printf(&x->c->arena, "%.*s%s%s", SP_STR_ARG(x->names), x->n++ ? ", " : "", sp_quoted(x->c, sp_kong_name(consumer, "username")));
}

static const char *key_sources(struct sp_convert *c, const struct sp_kong_plugin *p)
{
    const struct sp_node *names = sp_kong_get(p->config, "key_names");
    bool header = sp_kong_bool(p->config, "key_in_header", true), query = sp_kong_bool(p->config, "key_in_query", true);
    unsigned n = sp_kong_count(names);
    struct sp_str out = SP_STR_NULL;
    for (unsigned i = 0; i < SP_MAX(n, 1u); i++) {
        const char *name = sp_quoted(c, n ? sp_kong_item_str(names, i) : SP_STR("apikey"));
        if (header)
            out = sp_arena_printf(&c->arena, "%.*s%s{header: %s}", SP_STR_ARG(out), out.len ? ", " : "", name);
        if (query)
            out = sp_arena_printf(&c->arena, "%.*s%s{query: %s}", SP_STR_ARG(out), out.len ? ", " : "", name);
    }
    return sp_arena_printf(&c->arena, "[%.*s]", SP_STR_ARG(out)).ptr;
}

static void put_key_filter(struct sp_convert *c, unsigned indent)
{
    const struct sp_kong_plugin *first = NULL;
    for (unsigned i = 0; i < c->kong.n_plugins && !first; i++)
        first = sp_convert_is(&c->kong.plugins[i], "key-auth") ? &c->kong.plugins[i] : NULL;
    if (!first || !sp_convert_has(SP_KEY_AUTH) || !sp_convert_credentials(c, "keyauth_credentials"))
        return;
    sp_put(c, indent, "- name: key-auth");
    sp_put(c, indent + 2, "disabled: true");
    sp_put(c, indent + 2, "typed_config:");
    sp_put(c, indent + 4, "\"@type\": " SP_T SP_KEY_AUTH);
    sp_put(c, indent + 4, "credentials:");
    sp_kong_credentials(&c->kong, "keyauth_credentials", put_key, &(struct keys){.c = c, .indent = indent + 4});
    sp_put(c, indent + 4, "key_sources: %s", key_sources(c, first));
    if (sp_kong_bool(first->config, "hide_credentials", false))
        sp_put(c, indent + 4, "forwarding: {hide_credentials: true}");
}

static void put_route_key(struct sp_convert *c, unsigned indent, const struct sp_convert_required *q)
{
    struct keys x = {.c = c, .acl = q->acl};
    sp_kong_credentials(&c->kong, "keyauth_credentials", name_client, &x);
    sp_put_remark(c, indent, q->key->node, "plugin key-auth");
    sp_put(c, indent, "key-auth:");
    sp_put(c, indent + 2, "\"@type\": " SP_T SP_KEY_AUTH "PerRoute");
    sp_put(c, indent + 2, "key_sources: %s", key_sources(c, q->key));
    if (q->acl)
        sp_put(c, indent + 2, "allowed_clients: [%.*s]", SP_STR_ARG(x.n ? x.names : SP_STR("\"nobody\"")));
}

/* --- basic-auth --- */

/* Lines of htpasswd, of those that acl admits. */
struct users {
    struct sp_convert *c;
    const struct sp_kong_plugin *acl;
    struct sp_str lines;
    unsigned n;
};

static void add_user(void *ctx, const struct sp_node *consumer, const struct sp_node *credential)
{
    struct users *x = ctx;
    struct sp_str user = sp_kong_str(credential, "username", SP_STR_NULL), password = sp_kong_str(credential, "password", SP_STR_NULL), text;
    uint8_t digest[20];
    if (!sp_convert_acl_admits(x->c, x->acl, consumer))
        return;
    if (!user.len || sp_str_chr(user, ':') >= 0 || sp_kong_source(&x->c->kong, password, &text) != SP_KONG_INLINE) {
        sp_kong_drop(&x->c->file, credential, "basic-auth user %.*s: its password is in a vault, or its name cannot be used", SP_STR_ARG(user));
        return;
    }
    sp_sha1(text, digest);
    struct sp_str hash = sp_base64_encode(&x->c->arena, SP_BASE64, sp_str_n((const char *)digest, sizeof(digest)));
    x->lines = sp_arena_printf(&x->c->arena, "%.*s%.*s:{SHA}%.*s\n", SP_STR_ARG(x->lines), SP_STR_ARG(user), SP_STR_ARG(hash));
    x->n++;
}

/* The DataSource of its users; NULL: there are none. */
static const char *users_of(struct sp_convert *c, const struct sp_kong_plugin *acl)
{
    struct users x = {.c = c, .acl = acl};
    sp_kong_credentials(&c->kong, "basicauth_credentials", add_user, &x);
    struct sp_str name = acl ? sp_arena_printf(&c->arena, "basic-auth-acl-%u", acl->index) : SP_STR("basic-auth");
    return x.n ? sp_source_of(c, NULL, x.lines, name, "htpasswd") : NULL;
}

static void put_basic_filter(struct sp_convert *c, unsigned indent)
{
    const struct sp_kong_plugin *p = NULL;
    for (unsigned i = 0; i < c->kong.n_plugins && !p; i++)
        p = sp_convert_is(&c->kong.plugins[i], "basic-auth") ? &c->kong.plugins[i] : NULL;
    const char *users = p && sp_convert_has(SP_BASIC_AUTH) ? users_of(c, NULL) : NULL;
    if (!users)
        return;
    sp_put_remark(c, indent, p->node, "plugin basic-auth");
    sp_put(c, indent, "- name: basic-auth");
    sp_put(c, indent + 2, "disabled: true");
    sp_put(c, indent + 2, "typed_config: {\"@type\": " SP_T SP_BASIC_AUTH ", users: %s}", users);
}

static void put_route_basic(struct sp_convert *c, unsigned indent, const struct sp_convert_required *q)
{
    const char *users = q->acl ? users_of(c, q->acl) : NULL;
    sp_put_remark(c, indent, q->basic->node, "plugin basic-auth");
    if (users)
        sp_put(c, indent, "basic-auth: {\"@type\": " SP_T SP_BASIC_AUTH "PerRoute, users: %s}", users);
    else
        sp_put(c, indent, "basic-auth: {\"@type\": " SP_T "envoy.config.route.v3.FilterConfig}");
}

/* --- all of it --- */

bool sp_convert_no_users(struct sp_convert *c, const struct sp_convert_required *q)
{
    return q->basic && q->acl && !users_of(c, q->acl);
}

void sp_convert_keys(struct sp_convert *c, unsigned indent)
{
    put_key_filter(c, indent);
    put_basic_filter(c, indent);
}

void sp_convert_route_keys(struct sp_convert *c, unsigned indent, const struct sp_convert_required *q)
{
    if (q->key)
        put_route_key(c, indent, q);
    if (q->basic)
        put_route_basic(c, indent, q);
}
