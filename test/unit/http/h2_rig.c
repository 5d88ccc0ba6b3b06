/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "h2_rig.h"

#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

struct rig *rig_make(bool server)
{
    struct rig *r = sp_xcalloc(1, sizeof(*r));
    sp_turn_init(&r->turn);
    sp_turn_begin(&r->turn, 1000 * SP_NS_PER_S, 1);
    cu_init(&r->side, &r->turn, server);
    r->room = SIZE_MAX;
    r->goaway = RIG_NO_CODE;
    for (unsigned i = 0; i < RIG_STREAMS; i++)
        r->s[i].reset = RIG_NO_CODE;
    nghttp2_hd_inflater *inflater;
    int rc = nghttp2_hd_inflate_new(&inflater);
    assert(rc == 0);
    r->inflater = inflater;
    return r;
}

struct rig *rig_new(bool server, void (*configure)(struct sp_codec_config *c))
{
    struct rig *r = rig_make(server);
    if (configure)
        configure(&r->side.config);
    cu_start(&r->side, sp_h2_new);
    if (server)
        h2f_preface(&r->in);
    else
        h2f_frame(&r->in, H2F_SETTINGS, 0, 0, NULL, 0);
    h2f_frame(&r->in, H2F_SETTINGS, H2F_ACK, 0, NULL, 0);
    rig_flush(r);
    rig_go(r);
    return r;
}

void rig_free(struct rig *r)
{
    cu_done(&r->side);
    sp_buf_clear(&r->in);
    nghttp2_hd_inflate_del(r->inflater);
    sp_turn_done(&r->turn);
    free(r);
    sp_arena_thread_done();
    assert(sp_buf_thread_chunks() == 0);
    sp_buf_thread_done();
}

static void note_field(struct rig *r, struct rig_stream *s, const nghttp2_nv *nv)
{
    struct sp_str name = sp_str_n((const char *)nv->name, nv->namelen);
    struct sp_str value = sp_str_n((const char *)nv->value, nv->valuelen);
    uint64_t status;
    if (sp_str_eq(name, SP_STR(":status")) && sp_str_u64(value, 999, &status) == 0)
        s->status = (int)status;
    else if (sp_str_eq(name, SP_STR(":method")))
        snprintf(s->method, sizeof(s->method), "%.*s", SP_STR_ARG(value));
    else if (sp_str_eq(name, SP_STR(":path")))
        snprintf(s->path, sizeof(s->path), "%.*s", SP_STR_ARG(value));
    else if (sp_str_eq(name, SP_STR("cookie")))
        snprintf(s->cookie, sizeof(s->cookie), "%.*s", SP_STR_ARG(value));
    r->n_never_indexed += (nv->flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0;
}

static void note_headers(struct rig *r, struct rig_stream *s, const struct h2f_frame *f)
{
    const uint8_t *in = f->payload;
    size_t left = f->length;
    s->n_heads += f->type == H2F_HEADERS;
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(r->inflater, &nv, &flags, in, left, (f->flags & H2F_END_HEADERS) != 0);
        assert(n >= 0);
        in += n;
        left -= (size_t)n;
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            note_field(r, s, &nv);
        if (flags & NGHTTP2_HD_INFLATE_FINAL) {
            nghttp2_hd_inflate_end_headers(r->inflater);
            return;
        }
        if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && left == 0)
            return;
    }
}

static void note_settings(struct rig *r, const struct h2f_frame *f)
{
    if (f->flags & H2F_ACK) {
        r->n_setting_acks++;
        return;
    }
    r->n_settings++;
    for (uint32_t at = 0; at + 6 <= f->length; at += 6) {
        unsigned id = (unsigned)f->payload[at] << 8 | f->payload[at + 1];
        assert(id < SP_ARRAY_LEN(r->settings));
        r->settings[id] = h2f_get32(f->payload + at + 2);
    }
}

static void note(struct rig *r, const struct h2f_frame *f)
{
    r->n_frames++;
    assert(f->id < RIG_STREAMS);
    struct rig_stream *s = &r->s[f->id];
    if (f->type == H2F_DATA || f->type == H2F_HEADERS)
        s->end |= f->flags & H2F_END_STREAM;
    switch (f->type) {
    case H2F_DATA:
        s->body += f->length;
        break;
    case H2F_HEADERS:
    case H2F_CONTINUATION:
        note_headers(r, s, f);
        break;
    case H2F_RST_STREAM:
        s->reset = (int)h2f_get32(f->payload);
        break;
    case H2F_SETTINGS:
        note_settings(r, f);
        break;
    case H2F_PING:
        memcpy(r->ping, f->payload, 8);
        *(f->flags & H2F_ACK ? &r->n_pongs : &r->n_pings) += 1;
        break;
    case H2F_GOAWAY:
        r->n_goaways++;
        r->goaway_last = h2f_get32(f->payload);
        r->goaway = (int)h2f_get32(f->payload + 4);
        break;
    case H2F_WINDOW_UPDATE:
        *(f->id ? &s->window : &r->conn_window) += h2f_get32(f->payload);
        break;
    default:
        assert(!"a frame of a type that we never send");
    }
}

void rig_flush(struct rig *r)
{
    struct h2f_frame f;
    cu_flush(&r->side, r->room);
    if (!r->side.config.server && r->n_frames == 0) {
        char magic[24];
        sp_buf_peek(&r->side.out, magic, sizeof(magic));
        assert(memcmp(magic, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", sizeof(magic)) == 0);
        sp_buf_drain(&r->side.out, sizeof(magic));
    }
    while (h2f_next(&r->side.out, &f))
        note(r, &f);
    assert(r->side.out.len == 0);
}

void rig_go(struct rig *r)
{
    struct sp_buf in = r->in;
    sp_buf_init(&r->in);
    if (r->piece)
        r->rc = cu_feed_bytes(&r->side, &in, r->piece);
    else
        r->rc = cu_feed(&r->side, &in);
    sp_buf_clear(&in);
    rig_flush(r);
    sp_turn_end(&r->turn);
}

void rig_forward(struct rig *r, uint64_t ns)
{
    cu_turn(&r->turn, ns);
}

void rig_answer(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    (void)side;
    if (at != CU_HEADERS)
        return;
    cu_send(x, cu_response(x, 200), false);
    cu_send_data(x, 10, true);
}

void rig_check_alive(struct rig *r, uint32_t id)
{
    r->side.hook = rig_answer;
    h2f_get(&r->in, id, H2F_END_STREAM);
    rig_go(r);
    assert(r->rc == 0 && r->n_goaways == 0 && !r->side.codec->want_close);
    assert(r->s[id].status == 200 && r->s[id].end && r->s[id].body == 10);
}
