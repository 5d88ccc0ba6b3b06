/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_early.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include <wolfssl/error-ssl.h>

#include "base/mem.h"
#include "net/tls_info.h"
#include "net/tls_strikes.h"
#include "sallyport/tls/v1/early_data.pb-c.h"

typedef Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext Common;
typedef Envoy__Extensions__TransportSockets__Tls__V3__DownstreamTlsContext Downstream;
typedef Sallyport__Tls__V1__EarlyData Message;

enum {
    DEFAULT_BYTES = 16384,
    DEFAULT_WINDOW_MS = 10000,
    DEFAULT_STRIKES = 16384,
    TICK_MS = 1000, /* of a ticket's time, which has whole seconds */
    METHOD_MAX = 24,
    READ_ROOM = 4096,
};

struct sp_tls_early {
    struct sp_arena arena;
    uint32_t max_bytes;
    int64_t window_ms;
    struct sp_str *methods;
    unsigned n_methods;
    struct sp_tls_strikes *strikes;
};

#ifdef SP_EARLY_DATA /* the wolfSSL of scripts/deps */
extern void sp_tls_expect_early(WOLFSSL *ssl);
enum { CAN = true };
#else
enum { CAN = false };
#endif

/* What it needs, and what would make it unsafe. */
static void check(const struct sp_doc *doc, struct sp_diag *diag, const struct sp_tls_ctx *c, const Downstream *msg)
{
    const Common *own = msg->common_tls_context;
    const char *field = "custom_handshaker";
    if (!CAN)
        sp_doc_err(doc, diag, own, field, -1, "cannot take early data: it needs the wolfSSL that scripts/deps builds (take it out)");
    else if (c->ask_cert)
        sp_doc_err(doc, diag, own, field, -1,
                   "would take requests before the client has shown the certificate that is asked for (take it or validation_context out)");
    else if (!c->params.tls13)
        sp_doc_err(doc, diag, own, field, -1, "is of TLS 1.3, which tls_maximum_protocol_version leaves out (take one of them out)");
    else if (msg->session_ticket_keys || msg->session_ticket_keys_sds_secret_config)
        sp_doc_err(doc, diag, own, field, -1,
                   "would let early data be replayed to every door that has the session_ticket_keys (take one of them out)");
    else if (!c->tickets)
        sp_doc_err(doc, diag, own, field, -1,
                   "is of no use without session tickets, which early data comes with (take it out, or what turns them off)");
}

static bool is_method(struct sp_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((s.ptr[i] < 'A' || s.ptr[i] > 'Z') && s.ptr[i] != '-')
            return false;
    return s.len && s.len <= METHOD_MAX && !sp_str_eq(s, SP_STR("CONNECT"));
}

static void take_methods(struct sp_tls_early *e, const struct sp_doc *doc, struct sp_diag *diag, const Message *msg)
{
    static const struct sp_str safe[] = {SP_STR_INIT("GET"), SP_STR_INIT("HEAD"), SP_STR_INIT("OPTIONS")};
    e->n_methods = msg->n_methods ? (unsigned)msg->n_methods : SP_ARRAY_LEN(safe);
    e->methods = sp_arena_alloc(&e->arena, e->n_methods * sizeof(*e->methods));
    for (unsigned i = 0; i < e->n_methods; i++) {
        e->methods[i] = msg->n_methods ? sp_arena_str(&e->arena, sp_str_c(msg->methods[i])) : safe[i];
        if (!is_method(e->methods[i]))
            sp_doc_err(doc, diag, msg, "methods", (int)i, "is no method that can come early (GET, HEAD and OPTIONS can, and what is as safe)");
    }
}

static uint64_t window_of(const Message *msg)
{
    return msg->window ? (uint64_t)msg->window->seconds * 1000 + (uint64_t)msg->window->nanos / 1000000 : DEFAULT_WINDOW_MS;
}

/*
 * The same ClientHello is within the window for twice its length at most: the ticket may be older than the client says, or younger. So long
 * it is remembered that it came.
 */
static struct sp_tls_early *compile(const struct sp_doc *doc, struct sp_diag *diag, const Message *msg)
{
    struct sp_tls_early *e = sp_xcalloc(1, sizeof(*e));
    unsigned errors = diag->n_errors;
    sp_arena_init(&e->arena);
    e->max_bytes = msg->max_bytes ? msg->max_bytes->value : DEFAULT_BYTES;
    e->window_ms = (int64_t)window_of(msg);
    take_methods(e, doc, diag, msg);
    if (diag->n_errors > errors) {
        sp_tls_early_free(e);
        return NULL;
    }
    e->strikes = sp_tls_strikes_new(msg->strike_register_size ? msg->strike_register_size->value : DEFAULT_STRIKES,
                                    (uint64_t)e->window_ms * 2 + 2 * TICK_MS);
    return e;
}

struct sp_tls_early *sp_tls_early_new(const struct sp_doc *doc, struct sp_diag *diag, const struct sp_tls_ctx *c, const Downstream *msg)
{
    assert(doc && diag && c && c->server && msg);
    const Common *common = msg->common_tls_context;
    unsigned errors = diag->n_errors;
    if (!common || !common->custom_handshaker)
        return NULL;
    const Message *own =
        sp_doc_any_as(doc, common->custom_handshaker->typed_config, &sallyport__tls__v1__early_data__descriptor);
    if (own)
        check(doc, diag, c, msg);
    else
        sp_doc_err(doc, diag, common->custom_handshaker, "typed_config", -1,
                   "no such handshaker (sallyport.tls.v1.EarlyData is the one that is run)");
    return own && diag->n_errors == errors ? compile(doc, diag, own) : NULL;
}

void sp_tls_early_refuse(const struct sp_doc *doc, struct sp_diag *diag, const Common *common)
{
    assert(doc && diag);
    if (common && common->custom_handshaker)
        sp_doc_err(doc, diag, common, "custom_handshaker", -1,
                   "is for listeners: origins are sent no early data (take it out)");
}

void sp_tls_early_free(struct sp_tls_early *e)
{
    if (!e)
        return;
    sp_tls_strikes_free(e->strikes);
    sp_arena_done(&e->arena);
    free(e);
}

bool sp_tls_early_can(void)
{
    return CAN;
}

unsigned sp_tls_early_most(const struct sp_tls_early *e)
{
    return e ? e->max_bytes : 0;
}

bool sp_tls_early_set_up(const struct sp_tls_early *e, WOLFSSL_CTX *wolf)
{
    assert(wolf);
#ifdef SP_EARLY_DATA
    return !e || wolfSSL_CTX_set_max_early_data(wolf, e->max_bytes) == WOLFSSL_SUCCESS;
#else
    return !e;
#endif
}

void sp_tls_early_expect(struct sp_tls *t)
{
    assert(t && t->ssl);
    if (!t->ctx->early || !t->early || t->tls12)
        return;
    t->early_fate = SP_TLS_EARLY_REJECTED; /* as long as it is not taken */
#ifdef SP_EARLY_DATA
    sp_tls_expect_early(t->ssl);
#endif
}

/* sp_tls_tickets_now, in milliseconds: tickets that early data comes with are of random keys. */
static uint64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

enum sp_tls_early_fate sp_tls_early_judge(struct sp_tls_early *e, uint64_t now, struct sp_str ticket, uint32_t age_ms, uint8_t *ret_alpn)
{
    assert(e && ret_alpn);
    uint64_t issued;
    if (ticket.len < SP_TICKET_NAME + SP_TICKET_IV + SP_TICKET_MAC)
        return SP_TLS_EARLY_REJECTED;
    sp_ticket_name_read((const uint8_t *)ticket.ptr, &issued, ret_alpn);
    int64_t off = (int64_t)(now - issued * 1000) - (int64_t)age_ms;
    if (issued * 1000 > now || off > e->window_ms + TICK_MS || off < -e->window_ms)
        return SP_TLS_EARLY_REJECTED;
    /* The seal: there is one of each, whoever sealed it. */
    const uint8_t *seal = (const uint8_t *)ticket.ptr + ticket.len - SP_TICKET_MAC;
    switch (sp_tls_strikes_take(e->strikes, now, seal)) {
    case SP_STRIKE_NEW:
        return SP_TLS_EARLY_ACCEPTED;
    case SP_STRIKE_SEEN:
        return SP_TLS_EARLY_REPLAYED;
    default:
        return SP_TLS_EARLY_REJECTED;
    }
}

void sp_tls_weigh_early(WOLFSSL *ssl, const unsigned char *ticket, unsigned n, unsigned age_ms)
{
    struct sp_tls *t = wolfSSL_GetIOReadCtx(ssl);
    if (t->ctx->early && t->early && !t->retried)
        t->early_fate = (uint8_t)sp_tls_early_judge(t->ctx->early, now_ms(), sp_str_n((const char *)ticket, n), age_ms, &t->early_alpn);
}

/* Until then what was found good is not taken: the connection may take another turn. */
int sp_tls_take_early(WOLFSSL *ssl)
{
    struct sp_tls *t = wolfSSL_GetIOReadCtx(ssl);
    bool taken = t->early_fate == SP_TLS_EARLY_ACCEPTED && t->early && !t->retried && !t->ctx->ask_cert && t->early_alpn == t->alpn_at;
    t->early &= !taken; /* else it is passed over */
    t->early_taken = taken;
    return taken;
}

bool sp_tls_early_takes(const struct sp_tls_early *e, struct sp_str method)
{
    assert(e);
    for (unsigned i = 0; i < e->n_methods; i++)
        if (sp_str_eq(e->methods[i], method))
            return true;
    return false;
}

#ifdef SP_EARLY_DATA
/* As much as there is room for. What wolfSSL_read_early_data returned. */
static int read_some(struct sp_tls *t, struct sp_buf *app_in)
{
    size_t room;
    char *p = sp_buf_reserve(app_in, READ_ROOM, &room);
    int n = 0;
    sp_buf_commit(app_in, room); /* at once, as in net/tls_records: an alert must not go to the same place */
    int r = wolfSSL_read_early_data(t->ssl, p, (int)room, &n);
    sp_buf_cut(app_in, room - (n > 0 ? (size_t)n : 0));
    t->early_in += n > 0 ? (uint32_t)n : 0;
    return n > 0 ? n : SP_MIN(r, 0);
}

int sp_tls_early_read(struct sp_tls *t, struct sp_buf *app_in, size_t high_water)
{
    assert(t && t->early_taken && app_in);
    const size_t most = high_water + sp_tls_early_most(t->ctx->early); /* wolfSSL ends what says more than that */
    while (app_in->len < most) {
        int r = read_some(t, app_in);
        if (r > 0)
            continue;
        if (wolfSSL_is_init_finished(t->ssl))
            return 1;
        int err = wolfSSL_get_error(t->ssl, r);
        if (t->why || err != WOLFSSL_ERROR_WANT_READ)
            return err < 0 ? err : FATAL_ERROR;
        return 0;
    }
    return 0;
}
#else
int sp_tls_early_read(struct sp_tls *t, struct sp_buf *app_in, size_t high_water)
{
    (void)t;
    (void)app_in;
    (void)high_water;
    return FATAL_ERROR;
}
#endif
