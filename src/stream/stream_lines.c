/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of the access log while a stream lasts (access_log_flush_interval). */
#include "envoy/data/accesslog/v3/accesslog.pb-c.h"
#include "stream/stream_impl.h"

/* In the stream's arena, with what its config said: that may be gone. */
struct lines {
    struct sp_timer timer;
    struct sp_stream *stream;
    uint64_t every_ns;
};

static void on_lines(struct sp_timer *t)
{
    struct lines *l = SP_CONTAINER_OF(t, struct lines, timer);
    sp_timer_start(l->stream->owner->turn, &l->timer, l->every_ns);
    sp_stream_log(l->stream, ENVOY__DATA__ACCESSLOG__V3__ACCESS_LOG_TYPE__DownstreamPeriodic);
}

void sp_stream_begin_lines(struct sp_stream *s)
{
    struct lines *l = sp_arena_zalloc(s->cs->arena, sizeof(*l));
    *l = (struct lines){.timer.fire = on_lines, .stream = s, .every_ns = s->hcm->lines.every_ns};
    s->lines = &l->timer;
    sp_timer_start(s->owner->turn, &l->timer, l->every_ns);
}
