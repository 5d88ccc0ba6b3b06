/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the tree share: addresses, durations, sources, TLS. */
#include "tools/show.h"

#include <assert.h>

#include "config/descriptor.h"

typedef Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext Common;
typedef Envoy__Extensions__TransportSockets__Tls__V3__TlsParameters Params;
typedef Envoy__Config__Core__V3__DataSource Source;

#define SOURCE(name) ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_##name
#define VERSION(name) ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__TLS_PARAMETERS__TLS_PROTOCOL__##name

enum { FEW = 8 };

struct sp_str sp_show_type(struct sp_show *s, const ProtobufCMessage *msg)
{
    assert(s);
    if (!msg)
        return SP_STR("?");
    struct sp_str rest = sp_str_c(msg->descriptor->package_name), one, word = SP_STR_NULL;
    while (sp_str_split(&rest, '.', &one))
        if (one.len != 2 || one.ptr[0] != 'v')
            word = one;
    return sp_arena_str(&s->tree.arena, word);
}

struct sp_str sp_show_address(struct sp_show *s, const Envoy__Config__Core__V3__Address *a)
{
    assert(s);
    if (a && a->address_case == ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE)
        return sp_arena_printf(&s->tree.arena, "unix socket %s", a->pipe->path);
    if (!a || a->address_case != ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS)
        return SP_STR("?");
    const char *host = a->socket_address->address;
    bool v6 = strchr(host, ':');
    return sp_arena_printf(&s->tree.arena, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", a->socket_address->port_value);
}

struct sp_str sp_show_duration(struct sp_show *s, const Google__Protobuf__Duration *d)
{
    assert(s && d);
    struct sp_str t = sp_arena_printf(&s->tree.arena, "%lld.%09d", (long long)d->seconds, d->nanos);
    while (t.len && t.ptr[t.len - 1] == '0')
        t.len--;
    if (t.len && t.ptr[t.len - 1] == '.')
        t.len--;
    return sp_arena_printf(&s->tree.arena, "%.*ss", SP_STR_ARG(t));
}

struct sp_str sp_show_source(struct sp_show *s, const Source *source)
{
    assert(s);
    if (!source)
        return SP_STR("nothing");
    switch (source->specifier_case) {
    case SOURCE(FILENAME):
        return sp_arena_str(&s->tree.arena, sp_str_c(source->filename));
    case SOURCE(ENVIRONMENT_VARIABLE):
        return sp_arena_printf(&s->tree.arena, "$%s", source->environment_variable);
    default:
        return SP_STR("inline");
    }
}

struct sp_str sp_show_list(struct sp_show *s, char *const *v, size_t n)
{
    assert(s);
    struct sp_str out = SP_STR("");
    size_t shown = n > FEW + 1 ? FEW : n;
    for (size_t i = 0; i < shown; i++)
        out = sp_arena_printf(&s->tree.arena, "%.*s%s%s", SP_STR_ARG(out), i ? ", " : "", v[i]);
    return shown < n ? sp_arena_printf(&s->tree.arena, "%.*s and %zu more", SP_STR_ARG(out), n - shown) : out;
}

struct sp_str sp_show_cidrs(struct sp_show *s, Envoy__Config__Core__V3__CidrRange *const *v, size_t n)
{
    assert(s);
    char **texts = sp_arena_alloc(&s->tree.arena, (n + 1) * sizeof(*texts));
    for (size_t i = 0; i < n; i++)
        texts[i] = (char *)(uintptr_t)sp_arena_printf(&s->tree.arena, "%s/%u", v[i]->address_prefix, v[i]->prefix_len ? v[i]->prefix_len->value : 0).ptr;
    return sp_show_list(s, texts, n);
}

void sp_show_place(struct sp_show *s, struct sp_tree_node *n, const void *msg)
{
    assert(s && n);
    struct sp_mark mark = sp_doc_mark(s->doc, msg, NULL, -1);
    if (mark.file && mark.line)
        sp_tree_say(&s->tree, n, "place", "%s:%u", s->file_name(mark.file), mark.line);
}

/* ---- TLS ---- */

static const char *version(int v, const char *otherwise)
{
    return v == VERSION(TLSv1_2) ? "1.2" : v == VERSION(TLSv1_3) ? "1.3" : otherwise;
}

static struct sp_str san_text(struct sp_show *s, const Envoy__Type__Matcher__V3__StringMatcher *m)
{
    switch (m ? m->match_pattern_case : 0) {
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_EXACT:
        return sp_str_c(m->exact);
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_PREFIX:
        return sp_arena_printf(&s->tree.arena, "%s...", m->prefix);
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_SUFFIX:
        return sp_arena_printf(&s->tree.arena, "...%s", m->suffix);
    default:
        return SP_STR("a pattern");
    }
}

struct sp_str sp_show_validation(struct sp_show *s, const sp_look_validation *v)
{
    assert(s && v);
    struct sp_arena *a = &s->tree.arena;
    struct sp_str out = SP_STR("");
    if (v->trusted_ca)
        out = sp_arena_printf(a, "by %.*s", SP_STR_ARG(sp_show_source(s, v->trusted_ca)));
    else if (v->system_root_certs)
        out = SP_STR("by the system's CAs");
    for (size_t i = 0; i < v->n_match_typed_subject_alt_names; i++)
        out = sp_arena_printf(a, "%.*s%s%.*s", SP_STR_ARG(out), i ? " or " : out.len ? " as " : "as ",
                              SP_STR_ARG(san_text(s, v->match_typed_subject_alt_names[i]->matcher)));
    for (size_t i = 0; i < v->n_match_subject_alt_names; i++)
        out = sp_arena_printf(a, "%.*s%s%.*s", SP_STR_ARG(out), i ? " or " : out.len ? " as " : "as ",
                              SP_STR_ARG(san_text(s, v->match_subject_alt_names[i])));
    size_t pins = v->n_verify_certificate_spki + v->n_verify_certificate_hash;
    if (pins)
        out = sp_arena_printf(a, "%.*s%s%zu pin%s", SP_STR_ARG(out), out.len ? " and " : "by ", pins, pins == 1 ? "" : "s");
    if (v->crl)
        out = sp_arena_printf(a, "%.*s, revoked ones in %.*s", SP_STR_ARG(out), SP_STR_ARG(sp_show_source(s, v->crl)));
    if (v->custom_validator_config)
        out = sp_arena_printf(a, "%.*s, revocation asked for", SP_STR_ARG(out));
    if (v->trust_chain_verification)
        out = sp_arena_printf(a, "%.*s, unknown issuers taken", SP_STR_ARG(out));
    return out;
}

void sp_show_tls(struct sp_show *s, struct sp_tree_node *n, const Common *c)
{
    assert(s && n);
    const Params *p = c ? c->tls_params : NULL;
    sp_tree_say(&s->tree, n, "tls", "TLS %s to %s", version(p ? (int)p->tls_minimum_protocol_version : 0, "1.2"),
                version(p ? (int)p->tls_maximum_protocol_version : 0, "1.3"));
    if (!c)
        return;
    if (p && p->n_cipher_suites)
        sp_tree_say(&s->tree, n, "ciphers", "ciphers %.*s", SP_STR_ARG(sp_show_list(s, p->cipher_suites, p->n_cipher_suites)));
    if (c->n_alpn_protocols)
        sp_tree_say(&s->tree, n, "alpn", "ALPN %.*s", SP_STR_ARG(sp_show_list(s, c->alpn_protocols, c->n_alpn_protocols)));
    for (size_t i = 0; i < c->n_tls_certificates; i++)
        sp_tree_say(&s->tree, n, i ? "certificate_2" : "certificate", "certificate %.*s",
                    SP_STR_ARG(sp_show_source(s, c->tls_certificates[i]->certificate_chain)));
}
