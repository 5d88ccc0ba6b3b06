/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/request_part.h"

#include <assert.h>

#include "config/doc.h"
#include "filters/gate.h"

typedef Sallyport__Filters__Http__ClaimsAuthz__V1__RequestPart RequestPart;
#define PART(name) SALLYPORT__FILTERS__HTTP__CLAIMS_AUTHZ__V1__REQUEST_PART__PART_##name

static struct sp_str lower(struct sp_arena *arena, struct sp_str s)
{
    struct sp_str copy = sp_arena_str(arena, s);
    char *p = (char *)(uintptr_t)copy.ptr;
    for (size_t i = 0; i < copy.len; i++)
        p[i] = sp_ascii_lower(p[i]);
    return copy;
}

static bool domain_init(struct sp_request_part *p, const struct sp_filter_build *build, struct sp_arena *arena,
                        const RequestPart *msg)
{
    struct sp_str domain = sp_str_c(msg->subdomain_of);
    p->kind = SP_PART_SUBDOMAIN;
    p->text = lower(arena, domain);
    if (sp_authority_valid(domain) && sp_str_chr(domain, ':') < 0 && !sp_str_starts(domain, SP_STR(".")) &&
        !sp_str_ends(domain, SP_STR(".")) && sp_str_chr(domain, '*') < 0)
        return true;
    sp_doc_err(build->doc, build->diag, msg, "subdomain_of", -1,
               "'%s' is no plain domain (as \"api.example.com\", without a port, a star, or dots around it)", msg->subdomain_of);
    return false;
}

bool sp_request_part_init(struct sp_request_part *p, const struct sp_filter_build *build, struct sp_arena *arena,
                          const RequestPart *msg)
{
    assert(p && build && arena && msg);
    *p = (struct sp_request_part){0};
    switch (msg->part_case) {
    case PART(SUBDOMAIN_OF):
        return domain_init(p, build, arena, msg);
    case PART(HEADER):
        p->kind = SP_PART_HEADER;
        p->text = sp_gate_header_name(build, arena, msg, "header", msg->header);
        return p->text.ptr != NULL;
    default: /* the field rules saw to it that one is set */
        p->kind = SP_PART_PATH_SEGMENT;
        p->segment = msg->path_segment;
        return true;
    }
}

/* "." and "..", their dots escaped or not, also with parameters behind them, which some origins cut. */
static bool dot_segment(struct sp_str s)
{
    ptrdiff_t parameter = sp_str_chr(s, ';');
    unsigned dots = 0;
    if (parameter >= 0)
        s.len = (size_t)parameter;
    while (s.len && dots < 3) {
        size_t n = s.ptr[0] == '.' ? 1 : sp_str_istarts(s, SP_STR("%2e")) ? 3 : 0;
        if (!n)
            return false;
        s = sp_str_sub(s, n, s.len);
        dots++;
    }
    return !s.len && (dots == 1 || dots == 2);
}

/* What splits a path at some origins and not here. */
static bool splits_elsewhere(struct sp_str path)
{
    for (size_t i = 0; i < path.len; i++) {
        struct sp_str at = sp_str_sub(path, i, path.len);
        if (path.ptr[i] == '\\' || path.ptr[i] == '#' || sp_str_istarts(at, SP_STR("%2f")) ||
            sp_str_istarts(at, SP_STR("%5c")) || sp_str_istarts(at, SP_STR("%25")))
            return true;
    }
    return false;
}

/* Dot segments behind it move it, empty ones in front of it are merged at some origins: ";x" is one, its parameter cut. */
static struct sp_str path_segment(unsigned which, struct sp_str path)
{
    struct sp_str segment, found = SP_STR_NULL;
    ptrdiff_t query = sp_str_chr(path, '?');
    if (query >= 0)
        path.len = (size_t)query;
    if (!path.len || path.ptr[0] != '/' || splits_elsewhere(path))
        return SP_STR_NULL;
    struct sp_str rest = sp_str_sub(path, 1, path.len);
    for (unsigned i = 0; sp_str_split(&rest, '/', &segment); i++) {
        if (dot_segment(segment) || (i <= which && (!segment.len || segment.ptr[0] == ';')))
            return SP_STR_NULL;
        if (i == which)
            found = segment;
    }
    return sp_str_chr(found, '%') < 0 && sp_str_chr(found, ';') < 0 ? found : SP_STR_NULL;
}

static struct sp_str subdomain(struct sp_str domain, const struct sp_headers *h)
{
    struct sp_str host = h->authority;
    ptrdiff_t colon = sp_str_chr(host, ':');
    if (colon >= 0)
        host.len = (size_t)colon;
    if (host.len < domain.len + 2 || host.ptr[host.len - domain.len - 1] != '.' || !sp_str_iends(host, domain))
        return SP_STR_NULL;
    host.len -= domain.len + 1;
    return sp_str_chr(host, '.') < 0 ? lower(h->arena, host) : SP_STR_NULL;
}

static bool alike(struct sp_str a, struct sp_str b)
{
    bool same = a.len == b.len;
    for (size_t i = 0; same && i < a.len; i++)
        same = (a.ptr[i] == '_' ? '-' : a.ptr[i]) == (b.ptr[i] == '_' ? '-' : b.ptr[i]);
    return same;
}

/* One line, and none that is the same to CGI and its like. */
static struct sp_str header(struct sp_str name, const struct sp_headers *h)
{
    const struct sp_header *found = NULL;
    for (unsigned i = 0; i < h->n; i++) {
        if (!alike(h->v[i].name, name))
            continue;
        if (found || !sp_str_eq(h->v[i].name, name))
            return SP_STR_NULL;
        found = &h->v[i];
    }
    return found ? found->value : SP_STR_NULL;
}

struct sp_str sp_request_part_get(const struct sp_request_part *p, const struct sp_headers *h)
{
    assert(p && h);
    struct sp_str s = p->kind == SP_PART_PATH_SEGMENT ? path_segment(p->segment, h->path)
                      : p->kind == SP_PART_SUBDOMAIN  ? subdomain(p->text, h)
                                                      : header(p->text, h);
    return s.len ? s : SP_STR_NULL;
}
