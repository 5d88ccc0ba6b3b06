// SPDX-License-Identifier: GPL-2.0-or-later
// HTTP/2 by nghttp2: requests, and what becomes of their streams.
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_WINDOW (6 << 20)
#define CONN_WINDOW (15 << 20)
#define RECORD 16384
#define LIT(text) (uint8_t *)(text), sizeof(text) - 1

struct exchange {
    uint64_t began_us, body;
    size_t left;  // of an upload
    int status;
    struct echo echo;
};

static nghttp2_session_callbacks *callbacks;

static int on_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value,
                     size_t value_len, uint8_t flags, void *user)
{
    (void)flags;
    (void)user;
    struct exchange *x = nghttp2_session_get_stream_user_data(s, frame->hd.stream_id);
    if (x && name_len == 7 && value_len == 3 && memcmp(name, ":status", 7) == 0) {
        x->status = (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0');
    }
    return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
    (void)flags;
    (void)user;
    struct exchange *x = nghttp2_session_get_stream_user_data(s, id);
    if (x) {
        x->body += len;
        if (opt.echo) {
            echo_data(&x->echo, data, len);
        }
    }
    tally.bytes += len;
    return 0;
}

static int on_close(nghttp2_session *s, int32_t id, uint32_t code, void *user)
{
    struct conn *c = user;
    struct exchange *x = nghttp2_session_get_stream_user_data(s, id);
    if (!x) {
        return 0;
    }
    if (code == NGHTTP2_NO_ERROR && x->status) {
        answered(c, x->status, x->body, x->began_us, opt.echo ? &x->echo : NULL);
    } else {
        c->inflight--;
        inflight_all--;
        if (code == NGHTTP2_REFUSED_STREAM && !x->status) {
            tally.retried++;  // the server says that it did nothing: a client may ask again
        } else {
            tally.failed++;
            first_error("a stream ended with error code %u after status %d", code, x->status);
        }
    }
    free(x);
    return 0;
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *frame, void *user)
{
    (void)s;
    struct conn *c = user;
    if (frame->hd.type == NGHTTP2_GOAWAY && !c->draining) {
        c->draining = true;
        tally.goaways++;
        if (frame->goaway.error_code) {
            first_error("GOAWAY with error code %u", frame->goaway.error_code);
        }
    }
    return 0;
}

void h2_init(void)
{
    if (nghttp2_session_callbacks_new(&callbacks)) {
        abort();
    }
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
}

bool h2_open(struct conn *c)
{
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW}};
    return nghttp2_session_client_new(&c->h2, callbacks, c) == 0 &&
           nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, settings, 2) == 0 &&
           nghttp2_session_set_local_window_size(c->h2, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW) == 0;
}

static ssize_t upload(nghttp2_session *s, int32_t id, uint8_t *into, size_t room, uint32_t *flags, nghttp2_data_source *source,
                      void *user)
{
    (void)s;
    (void)id;
    (void)user;
    struct exchange *x = source->ptr;
    size_t len = x->left < room ? x->left : room;
    memset(into, 'u', len);
    x->left -= len;
    if (x->left == 0) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)len;
}

static nghttp2_nv field(const char *name, const char *value, uint8_t flags)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), flags};
}

bool h2_ask(struct conn *c, uint64_t began_us)
{
    nghttp2_nv nv[MAX_FIELDS + 11];
    size_t n = 0;
    char length[32];
    nghttp2_data_provider body = {.read_callback = upload};
    struct exchange *x = calloc(1, sizeof(*x));
    if (!x) {
        abort();
    }
    x->began_us = began_us;
    x->left = opt.upload;
    body.source.ptr = x;
    nv[n++] = field(":method", opt.upload ? "POST" : "GET", 0);
    nv[n++] = field(":scheme", "https", 0);
    nv[n++] = field(":authority", "gw.bench.test", 0);
    const char *path = next_line(&opt.paths);
    nv[n++] = field(":path", path, 0);
    if (opt.echo) {
        echo_begin(&x->echo, path);
        nv[n++] = field("x-nonce", x->echo.nonce, NGHTTP2_NV_FLAG_NO_INDEX);
    }
    nv[n++] = field("user-agent", "bench/1", 0);
    nv[n++] = field("accept", "*/*", 0);
    for (size_t i = 0; i < opt.fields; i++) {
        nv[n++] = field(opt.names[i], opt.values[i], 0);
    }
    if (opt.rotate) {
        nv[n++] = field(opt.rotate, next_line(&opt.rotated), NGHTTP2_NV_FLAG_NO_INDEX);
    }
    if (opt.upload) {
        snprintf(length, sizeof(length), "%zu", opt.upload);
        nv[n++] = field("content-type", "application/octet-stream", 0);
        nv[n++] = field("content-length", length, 0);
    }
    if (nghttp2_submit_request(c->h2, NULL, nv, n, opt.upload ? &body : NULL, x) < 0) {
        free(x);
        c->draining = true;  // no stream ids are left, or the server goes
        return false;
    }
    return true;
}

bool h2_feed(struct conn *c, const uint8_t *data, size_t len)
{
    ssize_t took = nghttp2_session_mem_recv(c->h2, data, len);
    if (took < 0) {
        first_error("nghttp2: %s", nghttp2_strerror((int)took));
    }
    return took >= 0;
}

void h2_fill(struct conn *c)
{
    const uint8_t *data;
    ssize_t len;
    while (c->filled - c->sent < RECORD && (len = nghttp2_session_mem_send(c->h2, &data)) > 0) {
        memcpy(conn_space(c, (size_t)len), data, (size_t)len);
        c->filled += (size_t)len;
    }
}
