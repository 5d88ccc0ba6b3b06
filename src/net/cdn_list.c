/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/cdn_list.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"

enum { MAX_DEPTH = 12, MAX_VALUES = 1000000, MAX_SHOWN = 60 };

struct reader {
    enum sp_cdn_format format;
    const struct sp_cdn_select *select;
    struct sp_cdn_ranges ranges;
    uint64_t services, regions; /* bit i: selector i matched a range */
    char *why;
};

bool sp_cdn_has_services(enum sp_cdn_format format)
{
    return sp_cdn_has_regions(format) || format == SP_CDN_AKAMAI_SITE_SHIELD;
}

bool sp_cdn_has_regions(enum sp_cdn_format format)
{
    return format == SP_CDN_AWS_IP_RANGES || format == SP_CDN_AZURE_SERVICE_TAGS || format == SP_CDN_GOOGLE;
}

void sp_cdn_ranges_done(struct sp_cdn_ranges *r)
{
    assert(r);
    free(r->v);
    *r = (struct sp_cdn_ranges){0};
}

#define FAIL(r, ...) (snprintf((r)->why, SP_CDN_WHY, __VA_ARGS__) < 0)

/* The text of a list goes to logs: cut, and without what a terminal or a log reader could take for more. */
static const char *shown(struct sp_str text, char out[MAX_SHOWN + 1])
{
    size_t n = SP_MIN(text.len, (size_t)MAX_SHOWN);
    for (size_t i = 0; i < n; i++)
        out[i] = (char)(text.ptr[i] >= 0x20 && text.ptr[i] < 0x7f ? text.ptr[i] : '?');
    out[n] = 0;
    return out;
}

static bool add(struct reader *r, struct sp_str text, const char *unit, size_t at)
{
    struct sp_cidr c;
    const char *what = NULL;
    char show[MAX_SHOWN + 1];
    if (sp_cidr_parse(text, &c, &what) < 0)
        return FAIL(r, "%s %zu '%s': %s", unit, at, shown(text, show), what);
    if (sp_cidr_is_wide(&c))
        return FAIL(r, "%s %zu '%s' is too wide to tell anyone apart (IPv4 ranges are /8 at most, IPv6 ranges /16)",
                    unit, at, shown(text, show));
    if (r->ranges.n == SP_CDN_MAX_RANGES)
        return FAIL(r, "more than %d ranges", SP_CDN_MAX_RANGES);
    if (r->ranges.n == r->ranges.cap) {
        r->ranges.cap = r->ranges.cap ? r->ranges.cap * 2 : 64;
        r->ranges.v = sp_xrealloc(r->ranges.v, r->ranges.cap * sizeof(*r->ranges.v));
    }
    r->ranges.v[r->ranges.n++] = c;
    return true;
}

static uint64_t matching(const struct sp_str *selectors, unsigned n, struct sp_str value)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < n; i++)
        bits |= (uint64_t)sp_str_ieq(selectors[i], value) << i;
    return bits;
}

/* Which selectors take an entry of this service and region; `take` when it is to be taken. */
struct hits {
    uint64_t services, regions;
    bool take;
};

static struct hits judge(const struct reader *r, struct sp_str service, struct sp_str region)
{
    const struct sp_cdn_select *s = r->select;
    struct hits h = {matching(s->services, s->n_services, service), matching(s->regions, s->n_regions, region), false};
    h.take = (h.services || !s->n_services) && (h.regions || !s->n_regions);
    return h;
}

static bool add_selected(struct reader *r, struct hits h, struct sp_str text, size_t at)
{
    r->services |= h.services;
    r->regions |= h.regions;
    return add(r, text, "entry", at);
}

/* The array `name` of `o`; one that is absent or null and may be so has no elements, as jansson sees NULL. */
static bool array(struct reader *r, const json_t *o, const char *name, bool may_lack, const json_t **ret)
{
    *ret = json_object_get(o, name);
    if (may_lack && json_is_null(*ret))
        *ret = NULL;
    if (json_is_array(*ret) || (may_lack && !*ret))
        return true;
    return FAIL(r, "not in this format: '%s' is no list", name);
}

/* All of an array of texts, if `h` takes it. */
static bool add_texts(struct reader *r, const json_t *texts, struct hits h)
{
    size_t i;
    const json_t *v;
    if (!h.take)
        return true;
    json_array_foreach(texts, i, v) {
        if (!json_is_string(v))
            return FAIL(r, "entry %zu is no text", i);
        if (!add_selected(r, h, sp_str_n(json_string_value(v), json_string_length(v)), i))
            return false;
    }
    return true;
}

static bool add_array(struct reader *r, const json_t *o, const char *name, bool may_lack, struct hits h)
{
    const json_t *texts;
    return array(r, o, name, may_lack, &texts) && add_texts(r, texts, h);
}

static const struct hits everything = {0, 0, true};

static bool read_aws_prefixes(struct reader *r, const json_t *root, const char *list, const char *member, bool may_lack)
{
    size_t i;
    const json_t *prefixes, *p;
    if (!array(r, root, list, may_lack, &prefixes))
        return false;
    json_array_foreach(prefixes, i, p) {
        struct sp_str text = sp_json_str(p, member);
        if (!text.ptr)
            return FAIL(r, "entry %zu of '%s' has no '%s'", i, list, member);
        struct hits h = judge(r, sp_json_str(p, "service"), sp_json_str(p, "region"));
        if (h.take && !add_selected(r, h, text, i))
            return false;
    }
    return true;
}

static bool read_aws(struct reader *r, const json_t *root)
{
    return read_aws_prefixes(r, root, "prefixes", "ip_prefix", false) &&
           read_aws_prefixes(r, root, "ipv6_prefixes", "ipv6_prefix", true);
}

static bool read_cloudflare(struct reader *r, const json_t *root)
{
    const json_t *result = json_object_get(root, "result");
    if (!json_is_true(json_object_get(root, "success")))
        return FAIL(r, "the API's answer does not say \"success\": true");
    if (!json_is_object(result))
        return FAIL(r, "not in this format: it has no 'result'");
    return add_array(r, result, "ipv4_cidrs", false, everything) && add_array(r, result, "ipv6_cidrs", true, everything);
}

static bool read_fastly(struct reader *r, const json_t *root)
{
    return add_array(r, root, "addresses", false, everything) && add_array(r, root, "ipv6_addresses", true, everything);
}

static bool read_azure(struct reader *r, const json_t *root)
{
    size_t i;
    const json_t *values, *v;
    if (!array(r, root, "values", false, &values))
        return false;
    json_array_foreach(values, i, v) {
        const json_t *properties = json_object_get(v, "properties");
        struct sp_str name = sp_json_str(v, "name");
        if (!name.ptr || !json_is_object(properties))
            return FAIL(r, "service tag %zu has no 'name' or no 'properties'", i);
        struct hits h = judge(r, name, sp_json_str(properties, "region"));
        if (!add_array(r, properties, "addressPrefixes", false, h))
            return false;
    }
    return true;
}

static bool read_google(struct reader *r, const json_t *root)
{
    size_t i;
    const json_t *prefixes, *p;
    if (!array(r, root, "prefixes", false, &prefixes))
        return false;
    json_array_foreach(prefixes, i, p) {
        struct sp_str v4 = sp_json_str(p, "ipv4Prefix"), v6 = sp_json_str(p, "ipv6Prefix");
        if (!v4.ptr && !v6.ptr)
            return FAIL(r, "entry %zu has neither 'ipv4Prefix' nor 'ipv6Prefix'", i);
        struct hits h = judge(r, sp_json_str(p, "service"), sp_json_str(p, "scope"));
        if (!h.take)
            continue;
        if ((v4.ptr && !add_selected(r, h, v4, i)) || (v6.ptr && !add_selected(r, h, v6, i)))
            return false;
    }
    return true;
}

static bool read_akamai_map(struct reader *r, const json_t *map)
{
    char id[32];
    const struct sp_cdn_select *s = r->select;
    snprintf(id, sizeof(id), "%lld", (long long)json_integer_value(json_object_get(map, "id")));
    struct hits h = {0, 0, false};
    h.services = matching(s->services, s->n_services, sp_json_str(map, "ruleName")) |
                 matching(s->services, s->n_services, sp_json_str(map, "mapAlias")) |
                 matching(s->services, s->n_services, sp_str_c(id));
    h.take = h.services || !s->n_services;
    /* Traffic may come from the proposed ranges before the change is acknowledged, and from the current ones after. */
    return add_array(r, map, "currentCidrs", false, h) && add_array(r, map, "proposedCidrs", true, h);
}

/* One map, or all of an account. */
static bool read_akamai(struct reader *r, const json_t *root)
{
    size_t i;
    const json_t *maps, *map;
    if (!json_object_get(root, "siteShieldMaps"))
        return read_akamai_map(r, root);
    if (!array(r, root, "siteShieldMaps", false, &maps))
        return false;
    json_array_foreach(maps, i, map) {
        if (!read_akamai_map(r, map))
            return false;
    }
    return true;
}

static bool read_lines(struct reader *r, struct sp_str text)
{
    struct sp_str line;
    for (size_t at = 1; sp_str_split(&text, '\n', &line); at++) {
        ptrdiff_t comment = sp_str_chr(line, '#');
        if (comment >= 0)
            line.len = (size_t)comment;
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        line = sp_str_trim(line);
        if (line.len && !add(r, line, "line", at))
            return false;
    }
    return true;
}

static bool read_json(struct reader *r, struct sp_str text)
{
    json_t *root = sp_json_load(text, MAX_DEPTH, MAX_VALUES);
    bool good = false;
    if (!json_is_object(root)) {
        json_decref(root);
        return FAIL(r, "not a JSON object, or cut short, or with a member twice, or far larger than such lists are");
    }
    switch (r->format) {
    case SP_CDN_AWS_IP_RANGES:
        good = read_aws(r, root);
        break;
    case SP_CDN_CLOUDFLARE:
        good = read_cloudflare(r, root);
        break;
    case SP_CDN_FASTLY:
        good = read_fastly(r, root);
        break;
    case SP_CDN_AZURE_SERVICE_TAGS:
        good = read_azure(r, root);
        break;
    case SP_CDN_GOOGLE:
        good = read_google(r, root);
        break;
    case SP_CDN_AKAMAI_SITE_SHIELD:
        good = read_akamai(r, root);
        break;
    case SP_CDN_PLAIN:
    case SP_CDN_N_FORMATS:
        break;
    }
    json_decref(root);
    return good;
}

/* A selector that finds nothing is a wrong word, or a service that has gone. */
static bool all_hit(struct reader *r)
{
    char show[MAX_SHOWN + 1];
    const struct sp_cdn_select *s = r->select;
    for (unsigned i = 0; i < s->n_services; i++)
        if (!(r->services >> i & 1))
            return FAIL(r, "services: '%s' matches no range%s (look for its name in the file)", shown(s->services[i], show),
                        s->n_regions ? " of these regions" : "");
    for (unsigned i = 0; i < s->n_regions; i++)
        if (!(r->regions >> i & 1))
            return FAIL(r, "regions: '%s' matches no range%s (look for its name in the file)", shown(s->regions[i], show),
                        s->n_services ? " of these services" : "");
    return r->ranges.n || FAIL(r, "it has no ranges");
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool read_any(struct reader *r, struct sp_str text)
{
    if (sp_str_starts(text, SP_STR("\xef\xbb\xbf")))
        text = sp_str_sub(text, 3, text.len);
    size_t at = 0;
    while (at < text.len && is_space(text.ptr[at]))
        at++;
    if (at == text.len)
        return FAIL(r, "it is empty");
    if (text.ptr[at] == '<')
        return FAIL(r, "it is HTML or XML (an error page?)");
    if (r->format == SP_CDN_PLAIN || (r->format == SP_CDN_CLOUDFLARE && text.ptr[at] != '{'))
        return read_lines(r, text);
    return read_json(r, text);
}

bool sp_cdn_parse(enum sp_cdn_format format, const struct sp_cdn_select *select, struct sp_str text,
                  struct sp_cdn_ranges *ret, char why[SP_CDN_WHY])
{
    assert(format < SP_CDN_N_FORMATS && select && ret && why);
    assert(select->n_services <= SP_CDN_MAX_SELECTORS && select->n_regions <= SP_CDN_MAX_SELECTORS);
    struct reader r = {.format = format, .select = select, .why = why};
    bool good = text.len <= SP_CDN_MAX_BYTES ? read_any(&r, text) && all_hit(&r)
                                             : FAIL(&r, "larger than %d MiB", SP_CDN_MAX_BYTES >> 20);
    if (good)
        *ret = r.ranges;
    else
        sp_cdn_ranges_done(&r.ranges);
    return good;
}
