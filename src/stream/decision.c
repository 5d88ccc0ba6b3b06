/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/decision.h"

#include <assert.h>

#include "stream/stream_impl.h"

const char *sp_verdict_name(enum sp_verdict v)
{
    static const char *const names[] = {"allowed", "denied", "shadowed", "failed"};
    assert((unsigned)v < SP_ARRAY_LEN(names));
    return names[v];
}

static void say(struct sp_decision *d, struct sp_str by, enum sp_verdict verdict)
{
    d->by = by;
    d->verdict = verdict;
}

/* A filter's answer. The terminal one speaks for the origin. */
static void by_filter(const struct sp_chain *c, unsigned index, struct sp_decision *d)
{
    bool good = !c->reply.reset && c->reply.status < 400;
    say(d, c->plan->v[index].name, c->plan->v[index].ops->terminal ? (good ? SP_ALLOWED : SP_FAILED) : good ? SP_ALLOWED : SP_DENIED);
}

/* The stream's own answers: the route's, no route's, what is wrong with the request, time that is over. */
static void by_stream(const struct sp_chain *c, const struct sp_stream_info *info, struct sp_decision *d)
{
    unsigned status = c->reply.status;
    if (info->flags & SP_FLAG_NR)
        say(d, SP_STR("route"), SP_DENIED);
    else if (c->stream->route_answers)
        say(d, SP_STR("route"), status < 400 ? SP_ALLOWED : SP_DENIED);
    else if (info->flags & SP_FLAG_DPE)
        say(d, SP_STR("codec"), SP_DENIED);
    else if (sp_str_eq(info->details, SP_STR("overload")))
        say(d, SP_STR("connection_manager"), SP_DENIED);
    else
        say(d, SP_STR("connection_manager"), status < 400 ? SP_ALLOWED : status == 408 || status >= 500 ? SP_FAILED : SP_DENIED);
}

static void by_chain(const struct sp_chain *c, const struct sp_stream_info *info, struct sp_decision *d)
{
    bool answered = c->head[SP_ENCODE] != NULL;
    if (c->replier == SP_REPLIER_STREAM)
        by_stream(c, info, d);
    else if (c->replier)
        by_filter(c, c->replier - 1u, d);
    else if (!answered && c->over && info->flags & SP_FLAG_DPE)
        say(d, SP_STR("codec"), SP_DENIED);
    else if (!answered && c->over)
        say(d, SP_STR("client"), SP_FAILED);
    else if (info->n_shadow)
        say(d, SP_STR_NULL, SP_SHADOWED);
    else
        say(d, c->plan->v[c->plan->n - 1].name, SP_ALLOWED);
}

/* "filter:details" of the first that was let pass. */
static void by_shadow(const struct sp_stream_info *info, struct sp_decision *d)
{
    struct sp_str rest = info->shadow[0];
    sp_str_split(&rest, ':', &d->by);
    d->reason = rest;
}

void sp_decision_verdict(const struct sp_stream_info *info, struct sp_decision *ret)
{
    assert(info && ret);
    if (info->decided) {
        *ret = *info->decided;
        return;
    }
    ret->reason = info->details;
    ret->caller.n = 0;
    if (info->chain)
        by_chain(info->chain, info, ret);
    else
        say(ret, SP_STR("codec"), SP_DENIED);
    if (ret->verdict == SP_SHADOWED)
        by_shadow(info, ret);
}

static void certificate(const struct sp_stream_info *info, struct sp_caller *c)
{
    const struct sp_tls_info *t = info->conn ? sp_info_cert(info)->tls : NULL;
    if (!t || !t->peer_presented || !t->peer_verified)
        return;
    sp_caller_say(c, SP_STR("certificate"), t->peer_subject);
    sp_caller_say(c, SP_STR("san"), t->n_peer_uri ? t->peer_uri[0] : t->n_peer_dns ? t->peer_dns[0] : SP_STR_NULL);
}

void sp_decision_make(const struct sp_stream_info *info, struct sp_decision *ret)
{
    sp_decision_verdict(info, ret);
    if (info->decided)
        return;
    certificate(info, &ret->caller);
    const struct sp_chain *c = info->chain;
    for (unsigned i = 0; c && i < c->plan->n; i++)
        if (c->plan->v[i].ops->caller && !sp_chain_skips(c, i))
            c->plan->v[i].ops->caller(sp_chain_filter(c, i), &ret->caller);
}

const struct sp_decision *sp_decision_keep(const struct sp_stream_info *info, struct sp_arena *arena)
{
    assert(info && arena);
    struct sp_decision *d = sp_arena_alloc(arena, sizeof(*d));
    sp_decision_make(info, d);
    d->by = sp_arena_str(arena, d->by);
    d->reason = sp_arena_str(arena, d->reason);
    for (unsigned i = 0; i < d->caller.n; i++)
        d->caller.v[i].value = sp_arena_str(arena, d->caller.v[i].value);
    return d;
}

/* --- as a text, as JSON --- */

static void put_word(struct sp_writer *w, struct sp_str s, bool blanks)
{
    static const char hex[] = "0123456789ABCDEF";
    while (s.len) {
        size_t n = 0;
        unsigned char c = 0;
        for (; n < s.len; n++) {
            c = (unsigned char)s.ptr[n];
            if (c <= ' ' || c == 0x7f || c == ';' || c == '%')
                break;
        }
        sp_writer_escaped(w, sp_str_sub(s, 0, n));
        if (n == s.len)
            return;
        if (c == ' ' && blanks) {
            sp_writer_str(w, SP_STR("_"));
        } else {
            const char text[] = {'%', hex[c >> 4], hex[c & 15]};
            sp_writer_put(w, text, sizeof(text));
        }
        s = sp_str_sub(s, n + 1, s.len);
    }
}

void sp_decision_write_text(struct sp_writer *w, const struct sp_decision *d)
{
    assert(w && d);
    put_word(w, d->by, true);
    sp_writer_str(w, SP_STR(":"));
    sp_writer_str(w, sp_str_c(sp_verdict_name(d->verdict)));
    sp_writer_str(w, SP_STR(":"));
    put_word(w, d->reason, true);
    for (unsigned i = 0; i < d->caller.n; i++) {
        sp_writer_str(w, SP_STR(";"));
        sp_writer_str(w, d->caller.v[i].key);
        sp_writer_str(w, SP_STR("="));
        put_word(w, d->caller.v[i].value, false);
    }
}

static void put_member(struct sp_writer *w, const char *before, struct sp_str s)
{
    sp_writer_str(w, sp_str_c(before));
    sp_writer_str(w, SP_STR("\""));
    sp_writer_escaped(w, s);
    sp_writer_str(w, SP_STR("\""));
}

void sp_decision_write_json(struct sp_writer *w, const struct sp_decision *d)
{
    assert(w && d);
    put_member(w, "{\"by\":", d->by);
    put_member(w, ",\"verdict\":", sp_str_c(sp_verdict_name(d->verdict)));
    put_member(w, ",\"reason\":", d->reason);
    sp_writer_str(w, SP_STR(",\"caller\":"));
    sp_decision_write_caller(w, d);
    sp_writer_str(w, SP_STR("}"));
}

void sp_decision_write_caller(struct sp_writer *w, const struct sp_decision *d)
{
    assert(w && d);
    sp_writer_str(w, SP_STR("{"));
    for (unsigned i = 0; i < d->caller.n; i++) {
        put_member(w, i ? "," : "", d->caller.v[i].key);
        put_member(w, ":", d->caller.v[i].value);
    }
    sp_writer_str(w, SP_STR("}"));
}
