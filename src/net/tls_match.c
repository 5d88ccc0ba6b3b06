/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_match.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/regex.h"
#include "net/addr.h"

typedef Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext Validation;
typedef Envoy__Extensions__TransportSockets__Tls__V3__SubjectAltNameMatcher Typed;
typedef Envoy__Type__Matcher__V3__StringMatcher StringMatcher;
#define SAN(name) ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SUBJECT_ALT_NAME_MATCHER__SAN_TYPE__##name
#define STRING(name) ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_##name

enum type { ANY, EMAIL, DNS, URI, IP, OTHER };
enum kind { EXACT, PREFIX, SUFFIX, CONTAINS, REGEX };

struct matcher {
    enum type type;
    enum kind kind;
    bool icase;
    char *text;
    struct sp_regex *regex;
    struct sp_addr ip; /* type IP, kind EXACT: so that all spellings are one */
    struct sp_str oid; /* type OTHER */
};

struct sp_tls_matchers {
    struct sp_arena arena;
    unsigned n;
    struct matcher v[];
};

bool sp_tls_dns_covers(struct sp_str pattern, struct sp_str host)
{
    if (sp_str_ieq(pattern, host))
        return true;
    if (pattern.len < 3 || pattern.ptr[0] != '*' || pattern.ptr[1] != '.')
        return false;
    ptrdiff_t dot = sp_str_chr(host, '.');
    return dot > 0 && sp_str_ieq(sp_str_sub(pattern, 1, pattern.len), sp_str_sub(host, (size_t)dot, host.len));
}

static bool has_ip(const struct sp_x509 *cert, const struct sp_addr *want)
{
    struct sp_addr got;
    for (unsigned i = 0; i < cert->n_ip; i++)
        if (sp_addr_parse_ip(cert->ip[i], &got) == 0 && sp_addr_eq(&got, want, false))
            return true;
    return false;
}

bool sp_tls_cert_is_for(const struct sp_x509 *cert, struct sp_str host)
{
    struct sp_addr ip;
    assert(cert);
    if (host.len > 1 && host.ptr[host.len - 1] == '.')
        host.len--;
    if (sp_addr_parse_ip(host, &ip) == 0)
        return has_ip(cert, &ip);
    for (unsigned i = 0; i < cert->n_dns; i++)
        if (sp_tls_dns_covers(cert->dns[i], host))
            return true;
    return false;
}

static const char *pattern_of(const StringMatcher *msg, enum kind *ret)
{
    switch (msg->match_pattern_case) {
    case STRING(EXACT):
        *ret = EXACT;
        return msg->exact;
    case STRING(PREFIX):
        *ret = PREFIX;
        return msg->prefix;
    case STRING(SUFFIX):
        *ret = SUFFIX;
        return msg->suffix;
    case STRING(CONTAINS):
        *ret = CONTAINS;
        return msg->contains;
    default:
        *ret = REGEX;
        return NULL;
    }
}

static void compile(const struct sp_doc *doc, struct sp_diag *diag, const StringMatcher *msg, enum type type,
                    struct matcher *m)
{
    const char *text = pattern_of(msg, &m->kind);
    m->type = type;
    m->icase = msg->ignore_case;
    if (text) {
        m->text = sp_xstrdup(text);
        if (type == IP && m->kind == EXACT && sp_addr_parse_ip(sp_str_c(text), &m->ip) < 0)
            sp_doc_err(doc, diag, msg, "exact", -1, "is not an IP address (such as 192.0.2.1 or 2001:db8::1)");
        return;
    }
    if (msg->match_pattern_case != STRING(SAFE_REGEX)) /* reported by the field rules */
        return;
    if (m->icase)
        sp_doc_err(doc, diag, msg, "ignore_case", -1, "has no effect on safe_regex (begin the expression with (?i))");
    char why[SP_REGEX_WHY_MAX];
    m->regex = sp_regex_new(sp_str_c(msg->safe_regex->regex), 0, why);
    if (!m->regex)
        sp_doc_err(doc, diag, msg->safe_regex, "regex", -1, "not a regular expression: %s", why);
}

static enum type type_of(const Typed *t)
{
    switch (t->san_type) {
    case SAN(EMAIL):
        return EMAIL;
    case SAN(DNS):
        return DNS;
    case SAN(URI):
        return URI;
    case SAN(OTHER_NAME):
        return OTHER;
    default:
        return IP;
    }
}

static void take_oid(const struct sp_doc *doc, struct sp_diag *diag, const Typed *t, struct sp_tls_matchers *all,
                     struct matcher *m)
{
    if (m->type == OTHER)
        m->oid = sp_x509_oid(&all->arena, sp_str_c(t->oid));
    if (m->type == OTHER && !m->oid.ptr)
        sp_doc_err(doc, diag, t, "oid", -1, "is not the type of an OTHER_NAME (such as 1.3.6.1.4.1.311.20.2.3)");
    if (m->type != OTHER && t->oid[0])
        sp_doc_err(doc, diag, t, "oid", -1, "is for OTHER_NAME only");
}

struct sp_tls_matchers *sp_tls_matchers_new(const struct sp_doc *doc, struct sp_diag *diag, const Validation *msg)
{
    assert(doc && diag && msg);
    size_t typed = msg->n_match_typed_subject_alt_names, n = typed + msg->n_match_subject_alt_names;
    if (n == 0)
        return NULL;
    struct sp_tls_matchers *m = sp_xcalloc(1, sizeof(*m) + n * sizeof(m->v[0]));
    m->n = (unsigned)n;
    sp_arena_init(&m->arena);
    for (size_t i = 0; i < typed; i++) {
        const Typed *t = msg->match_typed_subject_alt_names[i];
        if (t->matcher)
            compile(doc, diag, t->matcher, type_of(t), &m->v[i]);
        take_oid(doc, diag, t, m, &m->v[i]);
    }
    for (size_t i = 0; i < msg->n_match_subject_alt_names; i++)
        compile(doc, diag, msg->match_subject_alt_names[i], ANY, &m->v[typed + i]);
    return m;
}

void sp_tls_matchers_free(struct sp_tls_matchers *m)
{
    for (unsigned i = 0; m && i < m->n; i++) {
        free(m->v[i].text);
        sp_regex_free(m->v[i].regex);
    }
    if (m)
        sp_arena_done(&m->arena);
    free(m);
}

static ptrdiff_t ifind(struct sp_str s, struct sp_str needle)
{
    for (size_t i = 0; i + needle.len <= s.len; i++)
        if (sp_str_ieq(sp_str_sub(s, i, i + needle.len), needle))
            return (ptrdiff_t)i;
    return -1;
}

static bool match_name(const struct matcher *m, struct sp_str name, bool dns)
{
    struct sp_str text = sp_str_c(m->text);
    bool icase = m->icase;
    switch (m->kind) {
    case EXACT:
        return dns ? sp_tls_dns_covers(name, text) : icase ? sp_str_ieq(name, text) : sp_str_eq(name, text);
    case PREFIX:
        return icase ? sp_str_istarts(name, text) : sp_str_starts(name, text);
    case SUFFIX:
        return icase ? sp_str_iends(name, text) : sp_str_ends(name, text);
    case CONTAINS:
        return (icase ? ifind(name, text) : sp_str_find(name, text)) >= 0;
    default: /* what hits the limit does not match, and so is refused */
        return m->regex && sp_regex_full_match(m->regex, name, NULL);
    }
}

static bool match_list(const struct matcher *m, const struct sp_str *names, unsigned n, bool dns)
{
    for (unsigned i = 0; i < n; i++)
        if (match_name(m, names[i], dns))
            return true;
    return false;
}

static bool match_other(const struct matcher *m, const struct sp_x509 *c)
{
    for (unsigned i = 0; i < c->n_other; i++) {
        struct sp_str text = c->other[i].len ? sp_x509_other_text(c->other[i], m->oid) : SP_STR_NULL;
        if (text.ptr && match_name(m, text, false))
            return true;
    }
    return false;
}

static bool match_cert(const struct matcher *m, const struct sp_x509 *c)
{
    if (m->type == OTHER)
        return match_other(m, c);
    if ((m->type == DNS || m->type == ANY) && match_list(m, c->dns, c->n_dns, true))
        return true;
    if ((m->type == URI || m->type == ANY) && match_list(m, c->uri, c->n_uri, false))
        return true;
    if ((m->type == EMAIL || m->type == ANY) && match_list(m, c->email, c->n_email, false))
        return true;
    if (m->type == IP && m->kind == EXACT)
        return has_ip(c, &m->ip);
    return (m->type == IP || m->type == ANY) && match_list(m, c->ip, c->n_ip, false);
}

bool sp_tls_matchers_match(const struct sp_tls_matchers *m, const struct sp_x509 *cert)
{
    assert(m && cert);
    for (unsigned i = 0; i < m->n; i++)
        if (match_cert(&m->v[i], cert))
            return true;
    return false;
}
