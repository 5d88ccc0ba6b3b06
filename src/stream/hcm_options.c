/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection manager's options: codecs, timeouts, addresses, headers.  Defaults are written in the .proto files.
 */
#include <assert.h>
#include <ifaddrs.h>

#include "envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation.pb-c.h"
#include "envoy/extensions/http/original_ip_detection/custom_header/v3/custom_header.pb-c.h"
#include "envoy/extensions/http/original_ip_detection/xff/v3/xff.pb-c.h"
#include "route/duration.h"
#include "stream/hcm_impl.h"
#include "stream/header_ops.h"

typedef Envoy__Config__Core__V3__CidrRange cidr_msg;
typedef Envoy__Extensions__Http__OriginalIpDetection__Xff__V3__XffConfig xff_msg;
typedef Envoy__Extensions__Http__OriginalIpDetection__CustomHeader__V3__CustomHeaderConfig header_msg;

typedef Envoy__Extensions__Http__EarlyHeaderMutation__HeaderMutation__V3__HeaderMutation early_msg;

#define EARLY_DESC &envoy__extensions__http__early_header_mutation__header_mutation__v3__header_mutation__descriptor
#define XFF_DESC &envoy__extensions__http__original_ip_detection__xff__v3__xff_config__descriptor
#define HEADER_DESC &envoy__extensions__http__original_ip_detection__custom_header__v3__custom_header_config__descriptor

enum { GROWN_WINDOW = 256 * 1024 }; /* of a request that comes quickly, where the config says nothing of windows */

struct ctx {
    struct sp_hcm *h;
    const struct sp_hcm_build *build;
    const sp_hcm_msg *msg;
    bool good;
};

static uint32_t u32_or(const Google__Protobuf__UInt32Value *v, uint32_t otherwise)
{
    return v ? v->value : otherwise;
}

static bool bool_or(const Google__Protobuf__BoolValue *v, bool otherwise)
{
    return v ? v->value : otherwise;
}

static void common_options(struct ctx *x)
{
    const Envoy__Config__Core__V3__HttpProtocolOptions *m = x->msg->common_http_protocol_options;
    struct sp_wire_setup *s = &x->h->setup;
    s->idle_ns = sp_duration_or(m ? m->idle_timeout : NULL, 3600 * SP_NS_PER_S);
    if (!m)
        return;
    s->config.max_headers = u32_or(m->max_headers_count, s->config.max_headers);
    s->config.underscores = (uint8_t)m->headers_with_underscores_action;
    s->max_age_ns = sp_duration_or(m->max_connection_duration, 0);
    x->h->max_duration_ns = sp_duration_or(m->max_stream_duration, 0);
    x->h->max_requests = u32_or(m->max_requests_per_connection, 0);
}

static void http1_options(struct ctx *x)
{
    const Envoy__Config__Core__V3__Http1ProtocolOptions *m = x->msg->http_protocol_options;
    struct sp_codec_config *c = &x->h->setup.config;
    bool keep = bool_or(x->msg->stream_error_on_invalid_http_message, false);
    if (m) {
        c->h1_trailers = m->enable_trailers;
        c->h1_accept_10 = m->accept_http_10;
        c->h1_default_host = sp_arena_str(&x->h->arena, sp_str_c(m->default_host_for_http_10));
        c->h1_allow_absolute_url = bool_or(m->allow_absolute_url, true);
        c->h1_allow_chunked_length = m->allow_chunked_length;
        keep = bool_or(m->override_stream_error_on_invalid_http_message, keep);
        if (c->h1_default_host.len && !sp_authority_valid(c->h1_default_host)) {
            sp_doc_err(x->build->doc, x->build->diag, m, "default_host_for_http_10", -1,
                       "\"%s\" is no host name with an optional port", m->default_host_for_http_10);
            x->good = false;
        }
    }
    c->h1_keep_open_on_error = keep;
    x->h->close_on_bad = !keep;
    x->h->proxy_100 = x->msg->proxy_100_continue;
}

static void http2_options(struct ctx *x)
{
    const Envoy__Config__Core__V3__Http2ProtocolOptions *m = x->msg->http2_protocol_options;
    struct sp_codec_config *c = &x->h->setup.config;
    c->h2_stream_error_on_invalid = bool_or(x->msg->stream_error_on_invalid_http_message, true);
    c->h2_grown_window = m && m->initial_stream_window_size ? 0 : GROWN_WINDOW;
    if (!m)
        return;
    c->h2_table_size = u32_or(m->hpack_table_size, c->h2_table_size);
    c->h2_max_streams = u32_or(m->max_concurrent_streams, c->h2_max_streams);
    c->h2_stream_window = u32_or(m->initial_stream_window_size, c->h2_stream_window);
    c->h2_conn_window = u32_or(m->initial_connection_window_size, c->h2_conn_window);
    c->h2_extended_connect = m->allow_connect;
    c->h2_max_outbound = u32_or(m->max_outbound_frames, c->h2_max_outbound);
    c->h2_max_outbound_control = u32_or(m->max_outbound_control_frames, c->h2_max_outbound_control);
    c->h2_max_empty_frames = u32_or(m->max_consecutive_inbound_frames_with_empty_payload, c->h2_max_empty_frames);
    c->h2_max_priority_per_stream = u32_or(m->max_inbound_priority_frames_per_stream, c->h2_max_priority_per_stream);
    c->h2_max_window_update_per_data =
        u32_or(m->max_inbound_window_update_frames_per_data_frame_sent, c->h2_max_window_update_per_data);
    c->h2_stream_error_on_invalid =
        bool_or(m->override_stream_error_on_invalid_http_message, c->h2_stream_error_on_invalid);
    if (m->connection_keepalive) {
        c->h2_ping_interval_ns = sp_duration_or(m->connection_keepalive->interval, 0);
        c->h2_ping_timeout_ns = sp_duration_or(m->connection_keepalive->timeout, 0);
        c->h2_ping_jitter_ns = sp_ping_jitter(c->h2_ping_interval_ns, m->connection_keepalive);
    }
}

static void timeouts(struct ctx *x)
{
    struct sp_hcm *h = x->h;
    h->idle_ns = sp_duration_or(x->msg->stream_idle_timeout, 300 * SP_NS_PER_S);
    h->request_ns = sp_duration_or(x->msg->request_timeout, 0);
    h->setup.headers_ns = sp_duration_or(x->msg->request_headers_timeout, 10 * SP_NS_PER_S);
    h->setup.drain_ns = sp_duration_or(x->msg->drain_timeout, 5 * SP_NS_PER_S);
    h->setup.safe_max_age = x->msg->http1_safe_max_connection_duration;
    h->setup.delayed_close_ns = sp_duration_or(x->msg->delayed_close_timeout, SP_NS_PER_S);
}

/* A table of the list's ranges; NULL when it is empty or after an error. */
static struct sp_cidr_table *cidrs(struct ctx *x, const void *owner, const char *field, cidr_msg **list, size_t n)
{
    struct sp_cidr_table *t = n ? sp_cidr_table_new() : NULL;
    for (size_t i = 0; i < n; i++) {
        char text[SP_ADDR_TEXT_MAX];
        struct sp_str s = sp_str_c(list[i]->address_prefix);
        struct sp_cidr range;
        const char *why = "too long";
        int len = snprintf(text, sizeof(text), "%.*s/%u", SP_STR_ARG(s), u32_or(list[i]->prefix_len, 0));
        if (len >= (int)sizeof(text) || sp_cidr_parse(sp_str_n(text, (size_t)len), &range, &why)) {
            sp_doc_err(x->build->doc, x->build->diag, owner, field, (int)i, "%s: %s", text, why);
            x->good = false;
            continue;
        }
        sp_cidr_table_add(t, &range, 0);
    }
    if (t)
        sp_cidr_table_build(t);
    return t;
}

static void clash(struct ctx *x, const void *owner, const char *field, const char *why)
{
    sp_doc_err(x->build->doc, x->build->diag, owner, field, -1, "%s", why);
    x->good = false;
}

static void xff_config(struct ctx *x, const xff_msg *m, struct sp_client_ext *e)
{
    if (m->xff_trusted_cidrs && m->xff_num_trusted_hops)
        clash(x, m, "xff_num_trusted_hops",
              "cannot stand beside xff_trusted_cidrs (trusted proxies are counted, or known by address)");
    e->kind = m->xff_trusted_cidrs ? SP_CLIENT_XFF_CIDRS : SP_CLIENT_XFF_HOPS;
    e->hops = m->xff_num_trusted_hops;
    e->append = !bool_or(m->skip_xff_append, true);
    if (m->xff_trusted_cidrs)
        e->trusted = cidrs(x, m->xff_trusted_cidrs, "cidrs", m->xff_trusted_cidrs->cidrs, m->xff_trusted_cidrs->n_cidrs);
}

/* Envoy's rule for statuses that refuse. */
static unsigned reject_status(const header_msg *m)
{
    unsigned code = m->reject_with_status ? (unsigned)m->reject_with_status->code : 0;
    return code && (code < 400 || code > 599) ? 403 : code;
}

static void header_config(struct ctx *x, const header_msg *m, struct sp_client_ext *e)
{
    struct sp_str name = sp_arena_str(&x->h->arena, sp_str_c(m->header_name));
    char *p = (char *)(uintptr_t)name.ptr;
    for (size_t i = 0; i < name.len; i++)
        p[i] = sp_ascii_lower(p[i]);
    if (!sp_header_name_valid(name) || sp_str_eq(name, SP_STR("host")) || sp_str_eq(name, SP_STR("x-forwarded-for")))
        clash(x, m, "header_name", "not the name of an ordinary header (XffConfig reads x-forwarded-for)");
    *e = (struct sp_client_ext){.kind = SP_CLIENT_HEADER, .header = name, .reject = reject_status(m),
                                .may_be_internal = m->allow_extension_to_set_address_as_trusted};
}

static void ip_detection(struct ctx *x)
{
    static const char field[] = "original_ip_detection_extensions";
    struct sp_client_rules *r = &x->h->client;
    const sp_hcm_msg *msg = x->msg;
    if (!msg->n_original_ip_detection_extensions)
        return;
    if (r->use_remote_address || r->hops)
        clash(x, msg, field, r->use_remote_address
                                 ? "cannot stand beside use_remote_address (say in one place who the client is)"
                                 : "cannot stand beside xff_num_trusted_hops (say in one place who the client is)");
    if (msg->n_original_ip_detection_extensions > SP_CLIENT_MAX_EXTS) {
        clash(x, msg, field, "more than 8 of them");
        return;
    }
    r->ext = sp_arena_zalloc(&x->h->arena, msg->n_original_ip_detection_extensions * sizeof(*r->ext));
    for (size_t i = 0; i < msg->n_original_ip_detection_extensions; i++) {
        const Google__Protobuf__Any *any = msg->original_ip_detection_extensions[i]->typed_config;
        const xff_msg *xff = sp_doc_any_as(x->build->doc, any, XFF_DESC);
        const header_msg *header = sp_doc_any_as(x->build->doc, any, HEADER_DESC);
        if (xff)
            xff_config(x, xff, &r->ext[r->n_ext++]);
        else if (header)
            header_config(x, header, &r->ext[r->n_ext++]);
        else
            clash(x, msg->original_ip_detection_extensions[i], "typed_config", "no such extension (XffConfig, CustomHeaderConfig)");
    }
}

/* This host's first IPv4 address that is not a loopback one, as Envoy finds it. */
static struct sp_addr local_address(void)
{
    struct sp_addr found = {.family = AF_INET, .ip = {127, 0, 0, 1}}, a;
    struct ifaddrs *list;
    if (getifaddrs(&list))
        return found;
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET ||
            sp_addr_from_sockaddr(i->ifa_addr, sizeof(struct sockaddr_storage), NULL, &a) || sp_addr_is_loopback(&a))
            continue;
        found = a;
        break;
    }
    freeifaddrs(list);
    return found;
}

static void addresses(struct ctx *x)
{
    struct sp_hcm *h = x->h;
    const sp_hcm_msg *m = x->msg;
    h->client.use_remote_address = bool_or(m->use_remote_address, false);
    h->client.hops = m->xff_num_trusted_hops;
    h->client.append = h->client.use_remote_address && !m->skip_xff_append;
    h->append_xfp = m->append_x_forwarded_port;
    h->tell_overload = m->append_local_overload;
    h->local = local_address();
    if (m->internal_address_config) {
        h->client.internal_unix = m->internal_address_config->unix_sockets;
        h->client.internal = cidrs(x, m->internal_address_config, "cidr_ranges",
                                   m->internal_address_config->cidr_ranges,
                                   m->internal_address_config->n_cidr_ranges);
    }
    ip_detection(x);
}

static void path(struct ctx *x)
{
    const sp_hcm_msg *m = x->msg;
    struct sp_hcm *h = x->h;
    h->path.normalize = bool_or(m->normalize_path, false);
    h->path.merge_slashes = m->merge_slashes;
    h->path.escaped_slashes = m->path_with_escaped_slashes_action
                                  ? (uint8_t)(m->path_with_escaped_slashes_action - 1)
                                  : SP_SLASHES_KEEP;
    h->strip_dot = m->strip_trailing_host_dot;
    h->strip_matching_port = m->strip_matching_host_port;
    h->strip_any_port = m->strip_any_host_port;
    if (h->strip_any_port && h->strip_matching_port) {
        sp_doc_err(x->build->doc, x->build->diag, m, "strip_matching_host_port", -1,
                   "cannot stand beside strip_any_host_port (which strips more)");
        x->good = false;
    }
}

static void client_certificates(struct ctx *x)
{
    const sp_hcm_msg *m = x->msg;
    struct sp_xfcc_rules *r = &x->h->xfcc;
    r->mode = (uint8_t)m->forward_client_cert_details;
    if (m->set_current_client_cert_details) {
        r->subject = bool_or(m->set_current_client_cert_details->subject, false);
        r->cert = m->set_current_client_cert_details->cert;
        r->chain = m->set_current_client_cert_details->chain;
        r->dns = m->set_current_client_cert_details->dns;
        r->uri = m->set_current_client_cert_details->uri;
    }
}

static void scheme(struct ctx *x)
{
    const Envoy__Config__Core__V3__SchemeHeaderTransformation *m = x->msg->scheme_header_transformation;
    if (!m)
        return;
    x->h->match_upstream_scheme = m->match_upstream;
    if (m->transformation_case == ENVOY__CONFIG__CORE__V3__SCHEME_HEADER_TRANSFORMATION__TRANSFORMATION_SCHEME_TO_OVERWRITE)
        x->h->scheme = sp_arena_str(&x->h->arena, sp_str_c(m->scheme_to_overwrite));
    if (x->h->scheme.len && !sp_str_eq(x->h->scheme, SP_STR("http")) && !sp_str_eq(x->h->scheme, SP_STR("https")))
        clash(x, m, "scheme_to_overwrite", "neither http nor https");
}

static void early_mutations(struct ctx *x)
{
    const sp_hcm_msg *m = x->msg;
    x->h->early = sp_arena_zalloc(&x->h->arena, (m->n_early_header_mutation_extensions + 1) * sizeof(*x->h->early));
    for (size_t i = 0; i < m->n_early_header_mutation_extensions; i++) {
        const early_msg *e = sp_doc_any_as(x->build->doc, m->early_header_mutation_extensions[i]->typed_config, EARLY_DESC);
        struct sp_mutations *made =
            e ? sp_mutations_new(x->build->doc, x->build->diag, e, "mutations", e->mutations, e->n_mutations) : NULL;
        if (made)
            x->h->early[x->h->n_early++] = made;
        else if (!e)
            clash(x, m->early_header_mutation_extensions[i], "typed_config", "no such extension (HeaderMutation)");
        x->good &= made != NULL;
    }
}

static void headers(struct ctx *x)
{
    const sp_hcm_msg *m = x->msg;
    struct sp_hcm *h = x->h;
    struct sp_str name = m->server_name[0] ? sp_str_c(m->server_name) : SP_STR("sallyport");
    h->server_name = sp_arena_str(&h->arena, name);
    h->server_header = (uint8_t)m->server_header_transformation;
    h->via = sp_arena_str(&h->arena, sp_str_c(m->via));
    h->generate_request_id = bool_or(m->generate_request_id, true);
    h->preserve_request_id = m->preserve_external_request_id;
    h->request_id_in_response = m->always_set_request_id_in_response;
}

bool sp_hcm_options(struct sp_hcm *h, const struct sp_hcm_build *build, const sp_hcm_msg *msg)
{
    assert(h && build && msg);
    struct ctx x = {.h = h, .build = build, .msg = msg, .good = true};
    struct sp_wire_setup *s = &h->setup;
    h->buffer_limit = build->buffer_limit ? build->buffer_limit : 1 << 20;
    sp_codec_config_init(&s->config, true);
    s->codec = msg->codec_type == 1 ? SP_CODEC_H1 : msg->codec_type == 2 ? SP_CODEC_H2 : SP_CODEC_AUTO;
    s->buffer_limit = h->buffer_limit;
    s->config.high_water = SP_MIN(s->config.high_water, h->buffer_limit);
    s->config.max_header_bytes = (size_t)u32_or(msg->max_request_headers_kb, 60) * 1024;
    common_options(&x);
    http1_options(&x);
    http2_options(&x);
    timeouts(&x);
    addresses(&x);
    path(&x);
    client_certificates(&x);
    headers(&x);
    scheme(&x);
    early_mutations(&x);
    return x.good;
}

void sp_hcm_options_free(struct sp_hcm *h)
{
    assert(h);
    for (unsigned i = 0; i < h->client.n_ext; i++)
        sp_cidr_table_free(h->client.ext[i].trusted);
    sp_cidr_table_free(h->client.internal);
    for (unsigned i = 0; i < h->n_early; i++)
        sp_mutations_free(h->early[i]);
}
