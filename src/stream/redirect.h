/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Following an origin's redirect in place of the client (RouteAction.internal_redirect_policy): the request begins anew,
 * with the head that the client sent but for the place, and passes checks, gates, route and filters as if it had come so.
 * Nothing that a filter did to it before still holds, whether it let the request pass or changed it.
 *
 * For the router, on the stream's thread.
 */
#ifndef SP_STREAM_REDIRECT_H
#define SP_STREAM_REDIRECT_H

#include "base/buf.h"
#include "route/internal_redirect.h"
#include "stream/filter.h"

enum sp_redirect_verdict {
    SP_REDIRECT_FOLLOWED,
    SP_REDIRECT_NOTHING,      /* no Location, or the request cannot be made again */
    SP_REDIRECT_BAD_LOCATION, /* none that could be followed, or a path that would be refused */
    SP_REDIRECT_UNSAFE_SCHEME,
    SP_REDIRECT_TOO_MANY,
    SP_REDIRECT_NO_ROUTE,     /* this connection manager has none for it, or it is another filter chain's */
    SP_REDIRECT_PREDICATE,
};

/*
 * FOLLOWED: the body is taken, and the request begins anew at the end of the turn, unless the stream ends before; till then
 * the filter stays as it is.  `trailers` of the request may be NULL.
 */
enum sp_redirect_verdict sp_stream_redirect(struct sp_filter *f, const struct sp_redirect_policy *policy, const struct sp_headers *answer,
                                            struct sp_buf *body, struct sp_headers *trailers);

#endif
