/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "http/codec.h"

enum { LOOKED_AT = 64 }; /* of a thread's configs: with more of them some stand twice */

struct shared {
    struct sp_codec_config config; /* codecs point to it */
    struct sp_list link;
    unsigned refs;
    char host[]; /* h1_default_host's text */
};

static _Thread_local struct sp_list all; /* the last one that was asked for in front */

void sp_codec_config_init(struct sp_codec_config *c, bool server)
{
    assert(c);
    *c = (struct sp_codec_config){
        .server = server,
        .high_water = 64 * 1024,
        .max_header_bytes = 60 * 1024,
        .max_headers = 100,
        .max_url_bytes = 16 * 1024,
        .h1_allow_absolute_url = true,
        .h2_max_streams = 100,
        .h2_stream_window = 64 * 1024,
        .h2_conn_window = 1024 * 1024,
        .h2_table_size = 4096,
        .h2_conn_held_max = 8 * 1024 * 1024,
        .h2_max_outbound = 10000,
        .h2_max_outbound_control = 1000,
        .h2_max_empty_frames = 1,
        .h2_max_priority_per_stream = 100,
        .h2_max_window_update_per_data = 10,
        .h2_stream_error_on_invalid = true,
    };
}

/* Bytes of padding that differ make two of one, no more. */
static bool same(const struct sp_codec_config *a, const struct sp_codec_config *b)
{
    const size_t at = offsetof(struct sp_codec_config, h1_default_host), behind = at + sizeof(a->h1_default_host);
    return memcmp(a, b, at) == 0 && memcmp((const char *)a + behind, (const char *)b + behind, sizeof(*a) - behind) == 0 &&
           sp_str_eq(a->h1_default_host, b->h1_default_host);
}

static struct shared *find(const struct sp_codec_config *c)
{
    unsigned n = 0;
    SP_LIST_FOREACH (l, &all) {
        struct shared *s = SP_CONTAINER_OF(l, struct shared, link);
        if (same(&s->config, c))
            return s;
        if (++n == LOOKED_AT)
            break;
    }
    return NULL;
}

const struct sp_codec_config *sp_codec_config_share(const struct sp_codec_config *c)
{
    assert(c);
    if (!all.next)
        sp_list_init(&all);
    struct shared *s = find(c);
    if (!s) {
        struct sp_str host = c->h1_default_host;
        s = sp_xcalloc(1, sizeof(*s) + host.len);
        memcpy(&s->config, c, sizeof(*c));
        if (host.len)
            memcpy(s->host, host.ptr, host.len);
        s->config.h1_default_host = host.len ? sp_str_n(s->host, host.len) : host;
    }
    s->refs++;
    if (all.next != &s->link) {
        sp_list_remove(&s->link);
        sp_list_push_front(&all, &s->link);
    }
    return &s->config;
}

void sp_codec_config_unshare(const struct sp_codec_config *c)
{
    assert(c);
    struct shared *s = SP_CONTAINER_OF((struct sp_codec_config *)(uintptr_t)c, struct shared, config);
    assert(s->refs > 0);
    if (--s->refs)
        return;
    sp_list_remove(&s->link);
    free(s);
}
