/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/refused.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stream/chain.h"

struct ring {
    uint64_t n;     /* ever */
    uint64_t skipped; /* of floods: more than a ring of them in one second */
    int64_t second;
    unsigned in_second;
    struct sp_refused v[SP_REFUSED_RING];
};

static _Thread_local struct ring *own;

/* Texts are appended one after the other; `most` bytes of each, and no half of a character. */
static void put(struct sp_refused *r, unsigned *at, struct sp_str s, size_t most)
{
    size_t n = SP_MIN(s.len, SP_MIN(most, (size_t)(SP_REFUSED_TEXT - *at)));
    while (n && n < s.len && ((unsigned char)s.ptr[n] & 0xc0) == 0x80)
        n--;
    if (n)
        memcpy(r->text + *at, s.ptr, n);
    *at += (unsigned)n;
}

static struct sp_str without_query(struct sp_str path)
{
    ptrdiff_t mark = sp_str_chr(path, '?');
    return mark < 0 ? path : sp_str_sub(path, 0, (size_t)mark);
}

/* Whether a remark of SALLYPORT_SHADOW is of the filter. */
static bool shadowed(const struct sp_stream_info *info, struct sp_str name)
{
    for (unsigned i = 0; i < info->n_shadow; i++)
        if (sp_str_starts(info->shadow[i], name) && info->shadow[i].len > name.len && info->shadow[i].ptr[name.len] == ':')
            return true;
    return false;
}

/* Filters run in the order of the plan: those before the one that refused have let it pass. */
static void put_trace(struct sp_refused *r, unsigned *at, const struct sp_stream_info *info)
{
    const struct sp_chain *c = info->chain;
    unsigned by = c && c->replier && c->replier != SP_REPLIER_STREAM ? c->replier - 1u : UINT32_MAX;
    unsigned n = !c ? 0 : by != UINT32_MAX ? by + 1 : !c->routed ? 0 : c->at_terminal ? c->plan->n - 1 : c->plan->n_gates;
    for (unsigned i = 0; i < n; i++) {
        struct sp_str name = c->plan->v[i].name;
        name.len = SP_MIN(name.len, (size_t)48);
        if (sp_chain_skips(c, i) || !c->plan->v[i].ops->decode_headers || *at + name.len + 2 > SP_REFUSED_TEXT)
            continue;
        r->text[(*at)++] = i == by ? '-' : shadowed(info, name) ? '~' : '+';
        put(r, at, name, name.len);
        r->text[(*at)++] = 0;
    }
}

static void put_caller(struct sp_refused *r, unsigned *at, const struct sp_decision *d)
{
    struct sp_buf b;
    struct sp_writer w;
    sp_buf_init(&b);
    sp_writer_init(&w, &b);
    sp_decision_write_caller(&w, d);
    sp_writer_done(&w);
    if (b.len <= 256) { /* half an object is none */
        sp_buf_peek(&b, r->text + *at, b.len);
        *at += (unsigned)b.len;
    }
    sp_buf_clear(&b);
}

/* A Unix socket's is the connection's. */
static struct sp_addr without_path(const struct sp_addr *a)
{
    struct sp_addr copy = *a;
    if (copy.family == AF_UNIX)
        copy.path = "";
    return copy;
}

static void fill(struct sp_refused *r, const struct sp_stream_info *info, const struct sp_headers *h,
                 const struct sp_decision *d)
{
    static const struct sp_headers none;
    const struct sp_str texts[SP_REFUSED_CALLER] = {
        [SP_REFUSED_METHOD] = (h ? h : &none)->method,
        [SP_REFUSED_HOST] = (h ? h : &none)->authority,
        [SP_REFUSED_PATH] = without_query((h ? h : &none)->path),
        [SP_REFUSED_LISTENER] = info->conn->listener ? info->conn->listener->name : SP_STR_NULL,
        [SP_REFUSED_BY] = d->by,
        [SP_REFUSED_REASON] = d->reason,
        [SP_REFUSED_ROUTE] = info->route_name,
        [SP_REFUSED_REQUEST_ID] = info->request_id,
    };
    static const uint16_t most[SP_REFUSED_CALLER] = {16, 64, 128, 48, 48, 96, 48, 48};
    unsigned at = 0;
    for (unsigned i = 0; i < SP_REFUSED_CALLER; i++) {
        r->start[i] = (uint16_t)at;
        put(r, &at, texts[i], most[i]);
    }
    r->start[SP_REFUSED_CALLER] = (uint16_t)at;
    put_caller(r, &at, d);
    r->start[SP_REFUSED_TRACE] = (uint16_t)at;
    put_trace(r, &at, info);
    r->start[SP_REFUSED_TEXTS] = (uint16_t)at;
}

/* Nobody could read that many: a flood is not written down any more, but counted. */
static bool is_flood(int64_t second)
{
    if (second != own->second)
        own->in_second = 0;
    own->second = second;
    if (own->in_second == SP_REFUSED_RING) {
        own->skipped++;
        return true;
    }
    own->in_second++;
    return false;
}

void sp_refused_note(const struct sp_stream_info *info, const struct sp_headers *request, int64_t now_wall_ns)
{
    assert(info && info->conn);
    struct sp_decision d;
    sp_decision_verdict(info, &d);
    if (d.verdict != SP_DENIED || info->health_check)
        return;
    if (!own)
        own = sp_xcalloc(1, sizeof(*own));
    if (is_flood(now_wall_ns / 1000000000))
        return;
    sp_decision_make(info, &d);
    struct sp_refused *r = &own->v[own->n++ % SP_REFUSED_RING];
    r->at_ns = now_wall_ns;
    r->client = without_path(&info->client);
    r->peer = without_path(&info->conn->peer);
    r->status = info->response_code;
    r->flags = info->flags;
    r->protocol = info->protocol;
    fill(r, info, request, &d);
}

struct sp_refused_copy *sp_refused_take_copy(void)
{
    if (!own)
        return NULL;
    unsigned n = (unsigned)SP_MIN(own->n, (uint64_t)SP_REFUSED_RING);
    struct sp_refused_copy *copy = sp_xmalloc(sizeof(*copy) + n * sizeof(copy->v[0]));
    copy->n = n;
    uint64_t first = own->n - n;
    copy->dropped = first + own->skipped;
    for (unsigned i = 0; i < n; i++)
        copy->v[i] = own->v[(first + i) % SP_REFUSED_RING];
    return copy;
}

void sp_refused_thread_done(void)
{
    free(own);
    own = NULL;
}
