/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/rbac_rule.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/cidr.h"
#include "route/uri_template.h"

typedef Envoy__Config__Rbac__V3__Permission Permission;
typedef Envoy__Config__Rbac__V3__Principal Principal;
#define RULE(name) ENVOY__CONFIG__RBAC__V3__PERMISSION__RULE_##name
#define ID(name) ENVOY__CONFIG__RBAC__V3__PRINCIPAL__IDENTIFIER_##name

enum kind { ALL, ANY, NOT, ALWAYS, HEADER, PATH, TEMPLATE, ADDRESS, ADDRESSES, PORT, SNI, METADATA, CERTIFICATE };
enum address { SOCKET, PEER, CLIENT, LOCAL };
enum { MANY_ADDRESSES = 8 };

struct sp_rbac_rule {
    enum kind kind;
    struct sp_rbac_rule **children; /* ALL, ANY: n of them; NOT: one */
    size_t n;
    struct sp_header_matcher *header;
    struct sp_string_matcher *string; /* PATH, SNI, CERTIFICATE, where NULL is any */
    struct sp_regex *path_template;
    struct sp_metadata_matcher *metadata;
    enum address address;
    struct sp_cidr cidr;
    struct sp_cidr_table *table; /* ADDRESSES: of many leaves in an "or" */
    unsigned from, to; /* PORT: from <= x < to */
};

static struct sp_rbac_rule *rule_new(enum kind kind)
{
    struct sp_rbac_rule *r = sp_xcalloc(1, sizeof(*r));
    r->kind = kind;
    return r;
}

void sp_rbac_rule_free(struct sp_rbac_rule *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        sp_rbac_rule_free(r->children[i]);
    free(r->children);
    sp_header_matcher_free(r->header);
    sp_string_matcher_free(r->string);
    sp_regex_free(r->path_template);
    sp_metadata_matcher_free(r->metadata);
    sp_cidr_table_free(r->table);
    free(r);
}

static struct sp_rbac_rule *checked(struct sp_rbac_rule *r, bool good)
{
    if (good)
        return r;
    sp_rbac_rule_free(r);
    return NULL;
}

/* --- leaves --- */

static void warn_path(const struct sp_filter_build *build, const void *msg, const char *field)
{
    if (!build->normalizes)
        sp_doc_warn(build->doc, build->diag, msg, field, -1,
                    "the path is matched as the client wrote it, and the origin may read /x/../y, //y or %%2e%%2e otherwise "
                    "(turn normalize_path and merge_slashes of the connection manager on)");
}

static struct sp_rbac_rule *header_rule(const struct sp_filter_build *build,
                                        const Envoy__Config__Route__V3__HeaderMatcher *msg)
{
    struct sp_rbac_rule *r = rule_new(HEADER);
    r->header = sp_header_matcher_new(build->doc, build->diag, msg);
    if (sp_str_ieq(sp_str_c(msg->name), SP_STR(":path")))
        warn_path(build, msg, "name");
    return checked(r, r->header != NULL);
}

static struct sp_rbac_rule *path_rule(const struct sp_filter_build *build, const Envoy__Type__Matcher__V3__PathMatcher *msg)
{
    struct sp_rbac_rule *r = rule_new(PATH);
    warn_path(build, msg, "path");
    r->string = sp_string_matcher_new(build->doc, build->diag, msg->path);
    return checked(r, r->string != NULL);
}

static struct sp_rbac_rule *template_rule(const struct sp_filter_build *build,
                                          const Envoy__Config__Core__V3__TypedExtensionConfig *msg)
{
    struct sp_rbac_rule *r = rule_new(TEMPLATE);
    const Envoy__Extensions__Path__Match__UriTemplate__V3__UriTemplateMatchConfig *content =
        sp_doc_any_as(build->doc, msg->typed_config,
                      &envoy__extensions__path__match__uri_template__v3__uri_template_match_config__descriptor);
    warn_path(build, msg, "typed_config");
    if (content)
        r->path_template = sp_uri_template_new(build->doc, build->diag, content);
    else
        sp_doc_err(build->doc, build->diag, msg, "typed_config", -1,
                   "only envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig is known here");
    return checked(r, r->path_template != NULL);
}

static struct sp_rbac_rule *sni_rule(const struct sp_filter_build *build, const Envoy__Type__Matcher__V3__StringMatcher *msg)
{
    struct sp_rbac_rule *r = rule_new(SNI);
    r->string = sp_string_matcher_new(build->doc, build->diag, msg);
    return checked(r, r->string != NULL);
}

static struct sp_rbac_rule *metadata_rule(const struct sp_filter_build *build,
                                          const Envoy__Type__Matcher__V3__MetadataMatcher *msg)
{
    struct sp_rbac_rule *r = rule_new(METADATA);
    r->metadata = sp_metadata_matcher_new(build->doc, build->diag, msg);
    return checked(r, r->metadata != NULL);
}

static struct sp_rbac_rule *address_rule(const struct sp_filter_build *build, enum address address,
                                         const Envoy__Config__Core__V3__CidrRange *msg)
{
    struct sp_rbac_rule *r = rule_new(ADDRESS);
    const char *why = "";
    r->address = address;
    if (!msg->prefix_len) {
        sp_doc_err(build->doc, build->diag, msg, NULL, -1,
                   "prefix_len is missing, which would mean 0 bits: everyone (write it: 32 for one IPv4 address, 128 for IPv6)");
        return checked(r, false);
    }
    if (sp_cidr_from_prefix(sp_str_c(msg->address_prefix), msg->prefix_len->value, &r->cidr, &why) == 0)
        return r;
    sp_doc_err(build->doc, build->diag, msg, "address_prefix", -1, "%s", why);
    return checked(r, false);
}

static struct sp_rbac_rule *port_rule(const struct sp_filter_build *build, const void *msg, int64_t from, int64_t to)
{
    struct sp_rbac_rule *r = rule_new(PORT);
    if (from < 0 || to > 65536 || from >= to) {
        sp_doc_err(build->doc, build->diag, msg, NULL, -1,
                   "no range of ports: start has to be less than end, which is not part of the range, and end at most 65536");
        return checked(r, false);
    }
    r->from = (unsigned)from;
    r->to = (unsigned)to;
    return r;
}

static struct sp_rbac_rule *certificate_rule(const struct sp_filter_build *build,
                                             const Envoy__Config__Rbac__V3__Principal__Authenticated *msg)
{
    struct sp_rbac_rule *r = rule_new(CERTIFICATE);
    if (!build->client_certs) {
        sp_doc_err(build->doc, build->diag, msg, NULL, -1,
                   "the listener's TLS context verifies no client certificates (give it a validation_context with trusted_ca, or "
                   "put a header_certificate before this filter)");
        return checked(r, false);
    }
    if (!msg->principal_name)
        return r;
    r->string = sp_string_matcher_new(build->doc, build->diag, msg->principal_name);
    return checked(r, r->string != NULL);
}

/* --- trees --- */

static struct sp_rbac_rule *permission_new(const struct sp_filter_build *build, const Permission *msg);
static struct sp_rbac_rule *principal_new(const struct sp_filter_build *build, const Principal *msg);

typedef struct sp_rbac_rule *make(const struct sp_filter_build *build, const void *msg);

static struct sp_rbac_rule *make_permission(const struct sp_filter_build *build, const void *msg)
{
    return permission_new(build, msg);
}

static struct sp_rbac_rule *make_principal(const struct sp_filter_build *build, const void *msg)
{
    return principal_new(build, msg);
}

static bool asks_for(const struct sp_rbac_rule *r, enum address address)
{
    return r->kind == ADDRESS && r->address == address;
}

/* Many addresses of one kind become a table, whose look-up costs the same however long the list is; at the first one's place. */
static void gather_addresses(struct sp_rbac_rule *r, enum address address)
{
    struct sp_rbac_rule *all = NULL;
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < r->n; i++)
        n += asks_for(r->children[i], address);
    if (n < MANY_ADDRESSES)
        return;
    for (size_t i = 0; i < r->n; i++) {
        struct sp_rbac_rule *c = r->children[i];
        if (!asks_for(c, address)) {
            r->children[kept++] = c;
            continue;
        }
        if (!all) {
            all = r->children[kept++] = rule_new(ADDRESSES);
            all->address = address;
            all->table = sp_cidr_table_new();
        }
        sp_cidr_table_add(all->table, &c->cidr, 0);
        sp_rbac_rule_free(c);
    }
    assert(all);
    r->n = kept;
    sp_cidr_table_build(all->table);
}

/* `list`: n pointers to messages. */
static struct sp_rbac_rule *tree(const struct sp_filter_build *build, enum kind kind, make *child, const void *list, size_t n)
{
    struct sp_rbac_rule *r = rule_new(kind);
    const void *const *v = list;
    bool good = true;
    r->children = sp_xcalloc(n, sizeof(struct sp_rbac_rule *));
    for (size_t i = 0; i < n; i++) {
        struct sp_rbac_rule *c = child(build, v[i]);
        if (c)
            r->children[r->n++] = c;
        good &= c != NULL;
    }
    for (enum address a = SOCKET; good && kind == ANY && a <= LOCAL; a++)
        gather_addresses(r, a);
    return checked(r, good);
}

struct sp_rbac_rule *sp_rbac_permissions_new(const struct sp_filter_build *build, Permission *const *list, size_t n)
{
    assert(build && list && n);
    return tree(build, ANY, make_permission, list, n);
}

struct sp_rbac_rule *sp_rbac_principals_new(const struct sp_filter_build *build, Principal *const *list, size_t n)
{
    assert(build && list && n);
    return tree(build, ANY, make_principal, list, n);
}

static struct sp_rbac_rule *permission_new(const struct sp_filter_build *build, const Permission *msg)
{
    switch (msg->rule_case) {
    case RULE(AND_RULES):
        return tree(build, ALL, make_permission, msg->and_rules->rules, msg->and_rules->n_rules);
    case RULE(OR_RULES):
        return tree(build, ANY, make_permission, msg->or_rules->rules, msg->or_rules->n_rules);
    case RULE(NOT_RULE):
        return tree(build, NOT, make_permission, &msg->not_rule, 1);
    case RULE(HEADER):
        return header_rule(build, msg->header);
    case RULE(DESTINATION_IP):
        return address_rule(build, LOCAL, msg->destination_ip);
    case RULE(DESTINATION_PORT):
        return port_rule(build, msg, msg->destination_port, (int64_t)msg->destination_port + 1);
    case RULE(DESTINATION_PORT_RANGE):
        return port_rule(build, msg->destination_port_range, msg->destination_port_range->start,
                         msg->destination_port_range->end);
    case RULE(METADATA):
        return metadata_rule(build, msg->metadata);
    case RULE(REQUESTED_SERVER_NAME):
        return sni_rule(build, msg->requested_server_name);
    case RULE(URL_PATH):
        return path_rule(build, msg->url_path);
    case RULE(URI_TEMPLATE):
        return template_rule(build, msg->uri_template);
    case RULE(SOURCED_METADATA):
        return metadata_rule(build, msg->sourced_metadata->metadata_matcher);
    default: /* any: the field rules demand true, and that one is set */
        return rule_new(ALWAYS);
    }
}

static struct sp_rbac_rule *principal_new(const struct sp_filter_build *build, const Principal *msg)
{
    switch (msg->identifier_case) {
    case ID(AND_IDS):
        return tree(build, ALL, make_principal, msg->and_ids->ids, msg->and_ids->n_ids);
    case ID(OR_IDS):
        return tree(build, ANY, make_principal, msg->or_ids->ids, msg->or_ids->n_ids);
    case ID(NOT_ID):
        return tree(build, NOT, make_principal, &msg->not_id, 1);
    case ID(AUTHENTICATED):
        return certificate_rule(build, msg->authenticated);
    case ID(SOURCE_IP):
        return address_rule(build, PEER, msg->source_ip);
    case ID(DIRECT_REMOTE_IP):
        return address_rule(build, SOCKET, msg->direct_remote_ip);
    case ID(REMOTE_IP):
        return address_rule(build, CLIENT, msg->remote_ip);
    case ID(HEADER):
        return header_rule(build, msg->header);
    case ID(URL_PATH):
        return path_rule(build, msg->url_path);
    case ID(METADATA):
        return metadata_rule(build, msg->metadata);
    case ID(SOURCED_METADATA):
        return metadata_rule(build, msg->sourced_metadata->metadata_matcher);
    default:
        return rule_new(ALWAYS);
    }
}

/* --- matching --- */

static bool address_match(const struct sp_rbac_rule *r, struct sp_rbac_input *in)
{
    const struct sp_stream_info *info = in->info;
    const struct sp_addr *const of[] = {
        [SOCKET] = &info->conn->socket, [PEER] = &info->conn->peer, [CLIENT] = &info->client, [LOCAL] = &info->conn->local};
    if (r->address == CLIENT && info->client_failed) {
        in->undecided = true;
        return false;
    }
    return r->kind == ADDRESSES ? sp_cidr_table_find(r->table, of[r->address], NULL, NULL)
                                : sp_cidr_contains(&r->cidr, of[r->address]);
}

static bool any_name(const struct sp_rbac_rule *r, const struct sp_str *names, unsigned n, bool *limit)
{
    for (unsigned i = 0; i < n; i++)
        if (sp_string_match_limited(r->string, names[i], limit))
            return true;
    return false;
}

/* As Envoy: URI names, DNS names, the subject, each in its turn. */
static bool certificate_match(const struct sp_rbac_rule *r, const struct sp_tls_info *tls, bool *limit)
{
    if (!tls->peer_verified)
        return false;
    return !r->string || any_name(r, tls->peer_uri, tls->n_peer_uri, limit) ||
           any_name(r, tls->peer_dns, tls->n_peer_dns, limit) || sp_string_match_limited(r->string, tls->peer_subject, limit);
}

static bool port_match(const struct sp_rbac_rule *r, const struct sp_addr *local)
{
    return (local->family == AF_INET || local->family == AF_INET6) && local->port >= r->from && local->port < r->to;
}

static bool set_match(const struct sp_rbac_rule *r, struct sp_rbac_input *in)
{
    for (size_t i = 0; i < r->n; i++)
        if (sp_rbac_match(r->children[i], in) == (r->kind == ANY))
            return r->kind == ANY;
    return r->kind == ALL;
}

bool sp_rbac_match(const struct sp_rbac_rule *r, struct sp_rbac_input *in)
{
    assert(r && in);
    bool limit = false, yes = false;
    switch (r->kind) {
    case ALL:
    case ANY:
        return set_match(r, in);
    case NOT:
        return !sp_rbac_match(r->children[0], in);
    case ALWAYS:
        return true;
    case HEADER:
        yes = sp_header_match_limited(r->header, in->request, &limit);
        break;
    case PATH:
        yes = sp_string_match_limited(r->string, in->path, &limit);
        break;
    case TEMPLATE:
        yes = sp_regex_full_match(r->path_template, in->path, &limit);
        break;
    case ADDRESS:
    case ADDRESSES:
        return address_match(r, in);
    case PORT:
        return port_match(r, &in->info->conn->local);
    case SNI:
        yes = sp_string_match_limited(r->string, in->info->conn->tls->sni, &limit);
        break;
    case METADATA:
        yes = sp_metadata_match(r->metadata, &in->metadata, &limit);
        limit |= in->metadata.unreadable;
        break;
    case CERTIFICATE:
        yes = certificate_match(r, sp_info_cert(in->info)->tls, &limit);
        break;
    }
    in->undecided |= limit;
    return yes && !limit;
}
