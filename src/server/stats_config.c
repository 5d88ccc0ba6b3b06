/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/stats_config.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/regex.h"
#include "route/matcher.h"
#include "stats/view.h"

typedef Envoy__Config__Metrics__V3__StatsConfig Message;
typedef Envoy__Config__Metrics__V3__StatsMatcher MatcherMessage;
#define MATCHER(name) ENVOY__CONFIG__METRICS__V3__STATS_MATCHER__STATS_MATCHER_##name
#define TAG(name) ENVOY__CONFIG__METRICS__V3__TAG_SPECIFIER__TAG_VALUE_##name

struct tag {
    struct sp_str name, fixed;
    struct sp_regex *regex; /* NULL: fixed */
};

struct buckets {
    struct sp_string_matcher *match;
    double *bounds; /* n of them */
    unsigned n;
};

struct sp_stats_config {
    struct sp_stats_view view;
    struct sp_arena arena;
    struct tag *tags; /* n_tags of them */
    unsigned n_tags;
    struct sp_string_matcher **list; /* n_list of them */
    size_t n_list;
    bool only_list, reject_all; /* the others are those that are shown; none is */
    struct buckets *buckets;    /* n_buckets of them */
    size_t n_buckets;
    bool was_shown;
};

/* Main thread. */
static struct sp_stats_config *shown;

static const struct sp_stats_config *of(const struct sp_stats_view *v)
{
    return SP_CONTAINER_OF(v, struct sp_stats_config, view);
}

/* --- what is asked of it --- */

static bool shows(const struct sp_stats_view *v, struct sp_str name)
{
    const struct sp_stats_config *c = of(v);
    if (c->reject_all)
        return false;
    for (size_t i = 0; i < c->n_list; i++)
        if (sp_string_match(c->list[i], name))
            return c->only_list;
    return !c->only_list;
}

static unsigned tags(const struct sp_stats_view *v, struct sp_str name, struct sp_stats_tag ret[SP_STATS_TAGS])
{
    const struct sp_stats_config *c = of(v);
    unsigned n = 0;
    for (unsigned i = 0; i < c->n_tags; i++) {
        struct sp_str groups[3] = {SP_STR_NULL, SP_STR_NULL, SP_STR_NULL};
        if (!c->tags[i].regex)
            ret[n++] = (struct sp_stats_tag){.name = c->tags[i].name, .value = c->tags[i].fixed};
        else if (sp_regex_groups(c->tags[i].regex, name, groups, 3) && groups[1].ptr)
            ret[n++] = (struct sp_stats_tag){.name = c->tags[i].name, .value = groups[2].ptr ? groups[2] : groups[1],
                                             .removed = groups[1]};
    }
    return n;
}

static const double *bounds(const struct sp_stats_view *v, struct sp_str name, unsigned *ret_n)
{
    const struct sp_stats_config *c = of(v);
    for (size_t i = 0; i < c->n_buckets; i++) {
        if (!sp_string_match(c->buckets[i].match, name))
            continue;
        *ret_n = c->buckets[i].n;
        return c->buckets[i].n ? c->buckets[i].bounds : NULL;
    }
    return NULL;
}

/* --- compiling --- */

struct ctx {
    struct sp_stats_config *c;
    const struct sp_doc *doc;
    struct sp_diag *diag;
};

static void read_tag(struct ctx *x, const Envoy__Config__Metrics__V3__TagSpecifier *msg)
{
    char why[SP_REGEX_WHY_MAX];
    struct tag *t = &x->c->tags[x->c->n_tags++];
    t->name = sp_arena_str(&x->c->arena, sp_str_c(msg->tag_name));
    for (unsigned i = 0; i + 1 < x->c->n_tags; i++)
        if (sp_str_eq(x->c->tags[i].name, t->name))
            sp_doc_err(x->doc, x->diag, msg, "tag_name", -1, "a tag of this name stands above already");
    if (msg->tag_value_case == TAG(FIXED_VALUE)) {
        t->fixed = sp_arena_str(&x->c->arena, sp_str_c(msg->fixed_value));
        return;
    }
    if (msg->tag_value_case != TAG(REGEX) || !*msg->regex) {
        sp_doc_err(x->doc, x->diag, msg, NULL, -1,
                   "a name alone stands for one of Envoy's own expressions, which are not run here (write regex or fixed_value)");
        return;
    }
    t->regex = sp_regex_new(sp_str_c(msg->regex), SP_REGEX_SEARCH, why);
    if (!t->regex)
        sp_doc_err(x->doc, x->diag, msg, "regex", -1, "%s", why);
    else if (!sp_regex_n_groups(t->regex))
        sp_doc_err(x->doc, x->diag, msg, "regex", -1, "no group in it (put what is to be the label's value in parentheses)");
}

static void read_tags(struct ctx *x, const Message *msg)
{
    x->c->tags = sp_arena_zalloc(&x->c->arena, (msg->n_stats_tags + 1) * sizeof(*x->c->tags));
    if (msg->n_stats_tags > SP_STATS_TAGS)
        sp_doc_err(x->doc, x->diag, msg, "stats_tags", SP_STATS_TAGS, "more than %d tags", SP_STATS_TAGS);
    for (size_t i = 0; i < msg->n_stats_tags && i < SP_STATS_TAGS; i++)
        read_tag(x, msg->stats_tags[i]);
}

static void read_list(struct ctx *x, const Envoy__Type__Matcher__V3__ListStringMatcher *msg)
{
    struct sp_stats_config *c = x->c;
    c->list = sp_arena_zalloc(&c->arena, (msg->n_patterns + 1) * sizeof(*c->list));
    for (size_t i = 0; i < msg->n_patterns; i++) {
        struct sp_string_matcher *m = sp_string_matcher_new(x->doc, x->diag, msg->patterns[i]);
        if (m)
            c->list[c->n_list++] = m;
    }
}

static void read_matcher(struct ctx *x, const MatcherMessage *msg)
{
    if (msg->stats_matcher_case == MATCHER(REJECT_ALL)) {
        x->c->reject_all = msg->reject_all;
    } else if (msg->stats_matcher_case == MATCHER(INCLUSION_LIST)) {
        x->c->only_list = true;
        read_list(x, msg->inclusion_list);
    } else if (msg->stats_matcher_case == MATCHER(EXCLUSION_LIST)) {
        read_list(x, msg->exclusion_list);
    }
}

static void read_buckets(struct ctx *x, const Envoy__Config__Metrics__V3__HistogramBucketSettings *msg)
{
    struct buckets *b = &x->c->buckets[x->c->n_buckets];
    b->match = sp_string_matcher_new(x->doc, x->diag, msg->match);
    x->c->n_buckets += b->match != NULL;
    b->bounds = sp_arena_zalloc(&x->c->arena, (msg->n_buckets + 1) * sizeof(*b->bounds));
    for (size_t i = 0; i < msg->n_buckets; i++) {
        if (!(msg->buckets[i] > 0) || (i && msg->buckets[i] <= msg->buckets[i - 1]))
            sp_doc_err(x->doc, x->diag, msg, "buckets", (int)i, "bounds are over 0, each greater than the one before");
        b->bounds[b->n++] = msg->buckets[i];
    }
}

struct sp_stats_config *sp_stats_config_new(const struct sp_doc *doc, struct sp_diag *diag, const Message *msg)
{
    assert(doc && diag && msg);
    struct sp_stats_config *c = sp_xcalloc(1, sizeof(*c));
    struct ctx x = {c, doc, diag};
    unsigned before = diag->n_errors;
    sp_arena_init(&c->arena);
    c->view = (struct sp_stats_view){.shows = shows, .tags = msg->n_stats_tags ? tags : NULL, .bounds = bounds,
                                     .whole_names = msg->use_all_default_tags && !msg->use_all_default_tags->value};
    read_tags(&x, msg);
    if (msg->stats_matcher)
        read_matcher(&x, msg->stats_matcher);
    c->buckets = sp_arena_zalloc(&c->arena, (msg->n_histogram_bucket_settings + 1) * sizeof(*c->buckets));
    for (size_t i = 0; i < msg->n_histogram_bucket_settings; i++)
        read_buckets(&x, msg->histogram_bucket_settings[i]);
    if (diag->n_errors == before)
        return c;
    sp_stats_config_free(c);
    return NULL;
}

void sp_stats_config_show(struct sp_stats_config *c)
{
    if (c == shown)
        return;
    shown = c;
    if (c)
        c->was_shown = true;
    sp_stats_set_view(c ? &c->view : NULL);
}

void sp_stats_config_free(struct sp_stats_config *c)
{
    if (!c)
        return;
    if (c->was_shown && c == shown) /* only main looks at `shown` */
        sp_stats_config_show(NULL);
    for (unsigned i = 0; i < c->n_tags; i++)
        sp_regex_free(c->tags[i].regex);
    for (size_t i = 0; i < c->n_list; i++)
        sp_string_matcher_free(c->list[i]);
    for (size_t i = 0; i < c->n_buckets; i++)
        sp_string_matcher_free(c->buckets[i].match);
    sp_arena_done(&c->arena);
    free(c);
}
