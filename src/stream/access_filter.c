/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/access_filter.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/names.h"
#include "route/matcher.h"
#include "stream/local_reply.h"
#include "stream/metadata.h"
#include "stream/server_span.h"

typedef Envoy__Config__Accesslog__V3__AccessLogFilter AccessLogFilter;
typedef Envoy__Config__Accesslog__V3__ComparisonFilter ComparisonFilter;
#define FILTER(name) ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_##name
#define OP(name) ENVOY__CONFIG__ACCESSLOG__V3__COMPARISON_FILTER__OP__##name

enum kind { STATUS, DURATION, NO_HEALTH_CHECK, RANDOM, AND, OR, HEADER, FLAGS, METADATA, GRPC, TYPE, TRACEABLE };

struct sp_access_filter {
    enum kind kind;
    int op;                /* STATUS, DURATION */
    uint32_t value, of;    /* also RANDOM: value of `of` */
    uint32_t flags;        /* FLAGS; GRPC, TYPE: a bit a value */
    bool exclude;          /* GRPC, TYPE */
    struct sp_header_matcher *header;
    struct sp_metadata_matcher *metadata;
    bool unless_found;     /* METADATA: what holds where nothing is found */
    struct sp_access_filter **list; /* AND, OR: n of them */
    size_t n;
};

struct build {
    const struct sp_doc *doc;
    struct sp_diag *diag;
};

static struct sp_access_filter *compile(const struct build *b, const AccessLogFilter *msg);

static void comparison(struct sp_access_filter *f, const ComparisonFilter *msg)
{
    f->op = (int)msg->op;
    f->value = msg->value->default_value;
}

static bool several(struct sp_access_filter *f, const struct build *b, AccessLogFilter **list, size_t n)
{
    bool good = true;
    f->list = sp_xcalloc(n + 1, sizeof(*f->list));
    for (size_t i = 0; i < n; i++) {
        struct sp_access_filter *x = compile(b, list[i]);
        good = good && x;
        if (x)
            f->list[f->n++] = x;
    }
    return good;
}

static bool flags(struct sp_access_filter *f, const struct build *b,
                  const Envoy__Config__Accesslog__V3__ResponseFlagFilter *msg)
{
    static const char *const names[] = {
#define X(id, s, l) s,
        SP_FLAG_TABLE(X)
#undef X
    };
    bool good = true;
    for (size_t k = 0; k < msg->n_flags; k++) {
        struct sp_nearest near;
        uint32_t bit = 0;
        sp_nearest_init(&near, sp_str_c(msg->flags[k]));
        for (size_t i = 0; i < SP_ARRAY_LEN(names); i++) {
            sp_nearest_offer(&near, sp_str_c(names[i]));
            if (strcmp(msg->flags[k], names[i]) == 0)
                bit = 1u << i;
        }
        f->flags |= bit;
        if (bit)
            continue;
        good = false;
        sp_doc_err(b->doc, b->diag, msg, "flags", (int)k, "unknown response flag \"%s\"%s%.*s%s", msg->flags[k],
                   near.best.len ? " (did you mean \"" : " (such as UH, UF or NR)", SP_STR_ARG(near.best),
                   near.best.len ? "\"?)" : "");
    }
    /* None named: any will do. */
    if (!msg->n_flags)
        f->flags = UINT32_MAX;
    return good;
}

static void sampled(struct sp_access_filter *f, const Envoy__Type__V3__FractionalPercent *p)
{
    static const uint32_t denominators[] = {100, 10000, 1000000};
    f->value = p ? p->numerator : 0;
    f->of = denominators[p ? p->denominator : 0];
}

static bool metadata(struct sp_access_filter *f, const struct build *b,
                     const Envoy__Config__Accesslog__V3__MetadataFilter *msg)
{
    f->unless_found = !msg->match_if_key_not_found || msg->match_if_key_not_found->value;
    if (msg->matcher->invert) {
        sp_doc_err(b->doc, b->diag, msg->matcher, "invert", -1,
                   "Envoy does not heed it here (turn the value's matcher round, or match_if_key_not_found)");
        return false;
    }
    f->metadata = sp_metadata_matcher_new(b->doc, b->diag, msg->matcher);
    return f->metadata != NULL;
}

#define LOG_TYPE(name) ENVOY__DATA__ACCESSLOG__V3__ACCESS_LOG_TYPE__##name

static void grpc(struct sp_access_filter *f, const Envoy__Config__Accesslog__V3__GrpcStatusFilter *msg)
{
    f->kind = GRPC;
    f->exclude = msg->exclude;
    for (size_t i = 0; i < msg->n_statuses; i++)
        f->flags |= 1u << msg->statuses[i];
}

static bool is_written(unsigned type)
{
    return type == LOG_TYPE(NotSet) || type == LOG_TYPE(DownstreamEnd) || type == LOG_TYPE(DownstreamStart) ||
           type == LOG_TYPE(DownstreamPeriodic) || type == LOG_TYPE(DownstreamTunnelSuccessfullyEstablished);
}

/* What is only named to be left out does no harm; what is asked for has to come. */
static void log_type(struct sp_access_filter *f, const struct build *b, const Envoy__Config__Accesslog__V3__LogTypeFilter *msg)
{
    f->kind = TYPE;
    f->exclude = msg->exclude;
    for (size_t i = 0; i < msg->n_types; i++) {
        f->flags |= 1u << msg->types[i];
        if (!msg->exclude && !is_written(msg->types[i]))
            sp_doc_warn(b->doc, b->diag, msg, "types", (int)i, "no such line is written here (only DownstreamEnd, DownstreamStart, "
                        "DownstreamPeriodic, DownstreamTunnelSuccessfullyEstablished and, for listeners, NotSet)");
    }
}

static bool fill(struct sp_access_filter *f, const struct build *b, const AccessLogFilter *msg)
{
    switch (msg->filter_specifier_case) {
    case FILTER(STATUS_CODE_FILTER):
        f->kind = STATUS;
        comparison(f, msg->status_code_filter->comparison);
        return true;
    case FILTER(DURATION_FILTER):
        f->kind = DURATION;
        comparison(f, msg->duration_filter->comparison);
        return true;
    case FILTER(NOT_HEALTH_CHECK_FILTER):
        f->kind = NO_HEALTH_CHECK;
        return true;
    case FILTER(TRACEABLE_FILTER):
        f->kind = TRACEABLE;
        return true;
    case FILTER(RUNTIME_FILTER):
        f->kind = RANDOM;
        sampled(f, msg->runtime_filter->percent_sampled);
        return true;
    case FILTER(AND_FILTER):
        f->kind = AND;
        return several(f, b, msg->and_filter->filters, msg->and_filter->n_filters);
    case FILTER(OR_FILTER):
        f->kind = OR;
        return several(f, b, msg->or_filter->filters, msg->or_filter->n_filters);
    case FILTER(HEADER_FILTER):
        f->kind = HEADER;
        f->header = sp_header_matcher_new(b->doc, b->diag, msg->header_filter->header);
        return f->header != NULL;
    case FILTER(RESPONSE_FLAG_FILTER):
        f->kind = FLAGS;
        return flags(f, b, msg->response_flag_filter);
    case FILTER(METADATA_FILTER):
        f->kind = METADATA;
        return metadata(f, b, msg->metadata_filter);
    case FILTER(GRPC_STATUS_FILTER):
        grpc(f, msg->grpc_status_filter);
        return true;
    case FILTER(LOG_TYPE_FILTER):
        log_type(f, b, msg->log_type_filter);
        return true;
    default:
        sp_doc_err(b->doc, b->diag, msg, NULL, -1, "there is nothing in it (set one kind of filter)");
        return false;
    }
}

static struct sp_access_filter *compile(const struct build *b, const AccessLogFilter *msg)
{
    struct sp_access_filter *f = sp_xcalloc(1, sizeof(*f));
    if (fill(f, b, msg))
        return f;
    sp_access_filter_free(f);
    return NULL;
}

struct sp_access_filter *sp_access_filter_new(const struct sp_doc *doc, struct sp_diag *diag, const AccessLogFilter *msg)
{
    assert(doc && diag && msg);
    struct build b = {doc, diag};
    return compile(&b, msg);
}

void sp_access_filter_free(struct sp_access_filter *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n; i++)
        sp_access_filter_free(f->list[i]);
    free(f->list);
    sp_header_matcher_free(f->header);
    sp_metadata_matcher_free(f->metadata);
    free(f);
}

static bool compare(const struct sp_access_filter *f, uint64_t n)
{
    switch (f->op) {
    case OP(EQ):
        return n == f->value;
    case OP(GE):
        return n >= f->value;
    case OP(LE):
        return n <= f->value;
    default:
        return n != f->value;
    }
}

static uint64_t duration_ms(const struct sp_format_input *in)
{
    uint64_t end = in->info->tx_end_ns ? in->info->tx_end_ns : in->now_ns;
    return end > in->info->start_ns ? (end - in->info->start_ns) / SP_NS_PER_MS : 0;
}

/* The values of gRPC are a bit each; others are none of them. */
static uint32_t grpc_bit(const struct sp_format_input *in)
{
    struct sp_str s = in->trailers ? sp_headers_get_id(in->trailers, SP_H_GRPC_STATUS) : SP_STR_NULL;
    uint64_t n = sp_grpc_status(in->info->response_code);
    if (!s.ptr && in->response)
        s = sp_headers_get_id(in->response, SP_H_GRPC_STATUS);
    if (s.ptr && sp_str_u64(s, 31, &n) < 0)
        return 0;
    return 1u << n;
}

/* What cannot be told is logged. */
static bool metadata_pass(const struct sp_access_filter *f, const struct sp_format_input *in)
{
    struct sp_metadata_view view;
    bool limit = false;
    sp_metadata_view_init(&view, in->info);
    bool yes = sp_metadata_matcher_find(f->metadata, &view) ? sp_metadata_match(f->metadata, &view, &limit)
                                                             : f->unless_found;
    yes |= limit || view.unreadable;
    sp_metadata_view_done(&view);
    return yes;
}

bool sp_access_filter_pass(const struct sp_access_filter *f, const struct sp_format_input *in, uint64_t random)
{
    assert(f && in && in->info);
    static const struct sp_headers none;
    switch (f->kind) {
    case STATUS:
        return compare(f, in->info->response_code);
    case DURATION:
        return compare(f, duration_ms(in));
    case NO_HEALTH_CHECK:
        return !in->info->health_check;
    case TRACEABLE:
        return sp_server_span_forced(in->info);
    case RANDOM:
        return random % f->of < f->value;
    case AND:
        for (size_t i = 0; i < f->n; i++)
            if (!sp_access_filter_pass(f->list[i], in, random))
                return false;
        return true;
    case OR:
        for (size_t i = 0; i < f->n; i++)
            if (sp_access_filter_pass(f->list[i], in, random))
                return true;
        return false;
    case HEADER:
        return sp_header_match(f->header, in->request ? in->request : &none);
    case METADATA:
        return metadata_pass(f, in);
    case GRPC:
        return ((f->flags & grpc_bit(in)) != 0) != f->exclude;
    case TYPE:
        return ((f->flags & 1u << sp_format_log_type(in)) != 0) != f->exclude;
    default:
        return (in->info->flags & f->flags) != 0;
    }
}
