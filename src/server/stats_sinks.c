/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/stats_sinks.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "envoy/config/metrics/v3/stats.pb-c.h"
#include "net/addr.h"

typedef Envoy__Config__Metrics__V3__StatsSink Message;
typedef Envoy__Config__Metrics__V3__StatsdSink Statsd;
typedef Envoy__Config__Metrics__V3__DogStatsdSink DogStatsd;

typedef Envoy__Extensions__StatSinks__OpenTelemetry__V3__SinkConfig Otel;

enum {
    DATAGRAM_MAX = 65507, /* of UDP over IPv4 */
    REQUEST_MAX = 1 << 20, /* of OTLP, about: collectors take 4 MiB */
};

struct sink {
    struct sockaddr_storage to;
    socklen_t to_len;
    int fd; /* -1: opened by the first datagram */
    struct sp_stats_export *collector; /* or NULL: datagrams */
};

struct sp_stats_sinks {
    struct sp_arena arena;
    struct sp_statsd_form *forms; /* n of both */
    struct sink *sinks;
    unsigned n;
};

struct ctx {
    struct sp_stats_sinks *s;
    const struct sp_doc *doc;
    struct sp_diag *diag;
    struct sp_cluster *(*find_cluster)(void *ctx, struct sp_str name);
    void *ctx;
};

static bool read_pipe(struct ctx *x, const void *msg, const char *path, struct sink *k)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&k->to;
    size_t n = strlen(path);
    if (!n || n >= sizeof(un->sun_path)) {
        sp_doc_err(x->doc, x->diag, msg, "path", -1, "a socket's path has 1 to %zu bytes", sizeof(un->sun_path) - 1);
        return false;
    }
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, n + 1);
    k->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return true;
}

static bool read_address(struct ctx *x, const Envoy__Config__Core__V3__Address *msg, struct sink *k)
{
    struct sp_addr addr;
    if (msg->address_case == ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE)
        return read_pipe(x, msg->pipe, msg->pipe->path, k);
    if (!msg->socket_address) /* a rule has said so */
        return false;
    if (sp_addr_parse_ip(sp_str_c(msg->socket_address->address), &addr) < 0) {
        sp_doc_err(x->doc, x->diag, msg->socket_address, "address", -1, "this is no IP address (names are not looked up for sinks, as in Envoy)");
        return false;
    }
    if (!msg->socket_address->port_value) {
        sp_doc_err(x->doc, x->diag, msg->socket_address, "port_value", -1, "a sink needs a port (8125 is the usual one)");
        return false;
    }
    addr.port = (uint16_t)msg->socket_address->port_value;
    k->to_len = sp_addr_to_sockaddr(&addr, &k->to);
    return true;
}

static struct sp_str prefix_of(struct ctx *x, const char *given)
{
    return sp_arena_str(&x->s->arena, *given ? sp_str_c(given) : SP_STR("envoy"));
}

static void read_statsd(struct ctx *x, const Statsd *msg)
{
    struct sp_stats_sinks *s = x->s;
    if (msg->statsd_specifier_case == ENVOY__CONFIG__METRICS__V3__STATSD_SINK__STATSD_SPECIFIER_TCP_CLUSTER_NAME) {
        sp_doc_err(x->doc, x->diag, msg, "tcp_cluster_name", -1, "StatsD is not sent over TCP here (write address, of a StatsD server that takes UDP)");
        return;
    }
    if (msg->address && read_address(x, msg->address, &s->sinks[s->n]))
        s->forms[s->n++] = (struct sp_statsd_form){.prefix = prefix_of(x, msg->prefix)};
}

static void read_dog_statsd(struct ctx *x, const DogStatsd *msg)
{
    struct sp_stats_sinks *s = x->s;
    uint64_t most = msg->max_bytes_per_datagram ? msg->max_bytes_per_datagram->value : 0;
    if (msg->address && read_address(x, msg->address, &s->sinks[s->n]))
        s->forms[s->n++] = (struct sp_statsd_form){.prefix = prefix_of(x, msg->prefix), .tags = true, .max_bytes = SP_MIN(most, (uint64_t)DATAGRAM_MAX)};
}

static void read_otel(struct ctx *x, const Otel *msg)
{
    struct sp_stats_sinks *s = x->s;
    struct sp_stats_export *collector = sp_stats_export_new(x->doc, x->diag, msg, x->find_cluster, x->ctx);
    if (!collector)
        return;
    s->sinks[s->n].collector = collector;
    s->forms[s->n++] = (struct sp_statsd_form){
        .otlp = true, .prefix = sp_arena_str(&s->arena, sp_str_c(msg->prefix)), .max_bytes = REQUEST_MAX,
        .tags = !msg->emit_tags_as_attributes || msg->emit_tags_as_attributes->value,
        .whole_names = msg->use_tag_extracted_name && !msg->use_tag_extracted_name->value,
        .counter_deltas = msg->report_counters_as_deltas, .histogram_deltas = msg->report_histograms_as_deltas};
}

static void read_sink(struct ctx *x, const Message *msg)
{
    const Statsd *statsd = sp_doc_any_as(x->doc, msg->typed_config, &envoy__config__metrics__v3__statsd_sink__descriptor);
    const DogStatsd *dog = sp_doc_any_as(x->doc, msg->typed_config, &envoy__config__metrics__v3__dog_statsd_sink__descriptor);
    const Otel *otel = sp_doc_any_as(x->doc, msg->typed_config, &envoy__extensions__stat_sinks__open_telemetry__v3__sink_config__descriptor);
    x->s->sinks[x->s->n].fd = -1;
    if (statsd)
        read_statsd(x, statsd);
    else if (dog)
        read_dog_statsd(x, dog);
    else if (otel)
        read_otel(x, otel);
    else if (!msg->typed_config || sp_doc_any(x->doc, msg->typed_config))
        sp_doc_err(x->doc, x->diag, msg, "typed_config", -1, "a StatsdSink, a DogStatsdSink or an open_telemetry SinkConfig is needed here");
}

struct sp_stats_sinks *sp_stats_sinks_new(const struct sp_doc *doc, struct sp_diag *diag, const Envoy__Config__Bootstrap__V3__Bootstrap *msg,
                                          struct sp_cluster *(*find_cluster)(void *ctx, struct sp_str name), void *ctx)
{
    assert(doc && diag && msg);
    if (!msg->n_stats_sinks)
        return NULL;
    unsigned before = diag->n_errors;
    struct sp_stats_sinks *s = sp_xcalloc(1, sizeof(*s));
    struct ctx x = {s, doc, diag, find_cluster, ctx};
    sp_arena_init(&s->arena);
    s->forms = sp_arena_zalloc(&s->arena, msg->n_stats_sinks * sizeof(*s->forms));
    s->sinks = sp_arena_zalloc(&s->arena, msg->n_stats_sinks * sizeof(*s->sinks));
    for (size_t i = 0; i < msg->n_stats_sinks; i++)
        read_sink(&x, msg->stats_sinks[i]);
    if (diag->n_errors == before)
        return s;
    sp_stats_sinks_free(s);
    return NULL;
}

void sp_stats_sinks_free(struct sp_stats_sinks *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->n; i++) {
        if (s->sinks[i].fd >= 0)
            close(s->sinks[i].fd);
        sp_stats_export_unref(s->sinks[i].collector);
    }
    sp_arena_done(&s->arena);
    free(s);
}

const struct sp_statsd_form *sp_stats_sinks_forms(const struct sp_stats_sinks *s, unsigned *ret_n)
{
    *ret_n = s->n;
    return s->forms;
}

/* A socket whose buffer is full says EAGAIN: what does not fit is dropped. */
int sp_stats_sinks_send(struct sp_stats_sinks *s, unsigned i, struct sp_str datagram, struct sp_worker *prober)
{
    assert(s && i < s->n && prober);
    struct sink *k = &s->sinks[i];
    if (k->collector) {
        int err = sp_stats_export_send(k->collector, prober, datagram);
        return err < 0 ? err : 1;
    }
    if (k->fd < 0)
        k->fd = socket(k->to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (k->fd < 0 || sendto(k->fd, datagram.ptr, datagram.len, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&k->to, k->to_len) < 0)
        return -errno;
    return 0;
}
