/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "route/uri_template.h"

#include <assert.h>

/* What a path's segment is made of (RFC 3986, pchar). */
#define SEGMENT "-A-Za-z0-9._~%!$&'()*+,;=:@"

enum { MAX_NAMES = 5, MAX_NAME = 16, MAX_REGEX = 8192 }; /* a template has 256 bytes at most */

struct parse {
    struct sp_str rest;
    char out[MAX_REGEX];
    size_t len;
    const char *why; /* what is wrong; NULL: nothing yet */
    struct sp_str names[MAX_NAMES];
    unsigned n_names;
    bool many; /* "**" was there: no wildcard may follow */
};

static void put(struct parse *p, struct sp_str s)
{
    if (s.len > sizeof(p->out) - p->len) {
        p->why = "it is too long";
        return;
    }
    memcpy(p->out + p->len, s.ptr, s.len);
    p->len += s.len;
}

static bool is_literal(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~%!$&'()+,;=:@", c));
}

/* Up to the next '/'. */
static void literal(struct parse *p)
{
    size_t n = 0;
    for (; n < p->rest.len && p->rest.ptr[n] != '/'; n++) {
        char escaped[2] = {'\\', p->rest.ptr[n]};
        if (!is_literal(p->rest.ptr[n]))
            p->why = "a literal has letters, digits and -._~%!$&'()+,;=:@, and goes up to the next '/'";
        put(p, strchr("$().+", p->rest.ptr[n]) ? sp_str_n(escaped, 2) : sp_str_n(escaped + 1, 1));
    }
    if (n == 0)
        p->why = "nothing stands where a literal or a wildcard should";
    p->rest = sp_str_sub(p->rest, n, p->rest.len);
}

static void wildcard(struct parse *p, bool many)
{
    if (p->many)
        p->why = "no wildcard can follow \"**\"";
    p->many |= many;
    put(p, many ? SP_STR("[" SEGMENT "/]*") : SP_STR("[" SEGMENT "]+"));
}

static void operator(struct parse *p)
{
    bool many = sp_str_starts(p->rest, SP_STR("**"));
    wildcard(p, many);
    p->rest = sp_str_sub(p->rest, many ? 2 : 1, p->rest.len);
}

static void name(struct parse *p, struct sp_str s)
{
    bool good = s.len && s.len <= MAX_NAME && p->n_names < MAX_NAMES;
    for (size_t i = 0; i < s.len; i++) {
        char c = sp_ascii_lower(s.ptr[i]);
        good &= (c >= 'a' && c <= 'z') || (i && ((c >= '0' && c <= '9') || c == '_'));
    }
    for (unsigned i = 0; i < p->n_names; i++)
        good &= !sp_str_eq(p->names[i], s);
    if (!good)
        p->why = "a variable's name is a letter with letters, digits and '_' behind it, at most 16; five names, each once";
    else
        p->names[p->n_names++] = s;
}

static void variable_pieces(struct parse *p)
{
    while (!p->why) {
        if (p->rest.len && p->rest.ptr[0] == '*')
            operator(p);
        else
            literal(p);
        if (p->why || !p->rest.len)
            return;
        if (p->rest.ptr[0] != '/')
            p->why = "\"*\" and \"**\" stand alone between '/' in a variable";
        put(p, SP_STR("/"));
        p->rest = sp_str_sub(p->rest, 1, p->rest.len);
    }
}

/* "{name}" or "{name=*|**|literal, with '/' between}". */
static void variable(struct parse *p)
{
    ptrdiff_t end = sp_str_chr(p->rest, '}');
    if (end < 0) {
        p->why = "a '{' without its '}'";
        return;
    }
    struct sp_str inside = sp_str_sub(p->rest, 1, (size_t)end), behind = sp_str_sub(p->rest, (size_t)end + 1, p->rest.len);
    ptrdiff_t equals = sp_str_chr(inside, '=');
    name(p, sp_str_sub(inside, 0, equals < 0 ? inside.len : (size_t)equals));
    if (equals < 0) {
        wildcard(p, false);
        p->rest = behind;
        return;
    }
    p->rest = sp_str_sub(inside, (size_t)equals + 1, inside.len);
    variable_pieces(p);
    p->rest = behind;
}

static void piece(struct parse *p)
{
    bool wild = p->rest.ptr[0] == '*' || p->rest.ptr[0] == '{';
    if (p->rest.ptr[0] == '*')
        operator(p);
    else if (p->rest.ptr[0] == '{')
        variable(p);
    else
        literal(p);
    if (p->why || !p->rest.len || p->rest.ptr[0] == '/')
        return;
    assert(wild);
    literal(p); /* a suffix */
    if (p->rest.len)
        p->why = "a literal behind a wildcard has to end the template";
}

static void all(struct parse *p)
{
    if (!p->rest.len || p->rest.ptr[0] != '/') {
        p->why = "it has to begin with '/'";
        return;
    }
    while (!p->why && p->rest.len) {
        put(p, SP_STR("/"));
        p->rest = sp_str_sub(p->rest, 1, p->rest.len);
        if (p->rest.len)
            piece(p);
    }
}

struct sp_regex *sp_uri_template_new(const struct sp_doc *doc, struct sp_diag *diag,
                                     const Envoy__Extensions__Path__Match__UriTemplate__V3__UriTemplateMatchConfig *msg)
{
    assert(doc && diag && msg);
    struct parse p = {.rest = sp_str_c(msg->path_template)};
    char why[SP_REGEX_WHY_MAX] = "";
    struct sp_regex *r = NULL;
    all(&p);
    if (!p.why)
        r = sp_regex_new(sp_str_n(p.out, p.len), 0, why);
    if (!r)
        sp_doc_err(doc, diag, msg, "path_template", -1, "no path template: %s", p.why ? p.why : why);
    return r;
}
