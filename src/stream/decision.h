/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_decision: what became of a request and by whom: the gate or filter that decided, its verdict, its reason, and who the
 * caller was.  Nothing is kept for it while a request runs but the index of who answered: it is read off the chain when an
 * access log or the ring of refusals (stream/refused.h) asks, before the chain is destroyed.  The stream's thread.
 */
#ifndef SP_STREAM_DECISION_H
#define SP_STREAM_DECISION_H

#include "stream/caller.h"
#include "stream/escape.h"
#include "stream/info.h"

enum sp_verdict {
    SP_ALLOWED,  /* it was let pass, and the origin, a route or a filter gave the answer */
    SP_DENIED,   /* a gate, a filter, a limit or the connection manager refused it, or no route took it */
    SP_SHADOWED, /* let pass, though a gate or filter on trial would have refused it */
    SP_FAILED,   /* let pass, but no answer came of it: the origin's fault, the client's, or time */
};

struct sp_decision {
    struct sp_str by;     /* HttpFilter.name; "route", "connection_manager", "codec", "client", "listener" */
    enum sp_verdict verdict;
    struct sp_str reason; /* RESPONSE_CODE_DETAILS; of what was shadowed, the first remark of SALLYPORT_SHADOW */
    struct sp_caller caller;
};

const char *sp_verdict_name(enum sp_verdict v);
/* All but the caller, who costs more: for who only wants to know whether. */
void sp_decision_verdict(const struct sp_stream_info *info, struct sp_decision *ret);
void sp_decision_make(const struct sp_stream_info *info, struct sp_decision *ret);
/* A copy in the arena, for info->decided: before the chain lets go of its filters. */
struct sp_arena;
const struct sp_decision *sp_decision_keep(const struct sp_stream_info *info, struct sp_arena *arena);

/*
 * "by:verdict:reason;key=value;key=value", in which blanks, ';', '%' and control characters of peers are %XX; the rest is
 * escaped as in every log.  And as a JSON object {"by","verdict","reason","caller":{}}.
 */
void sp_decision_write_text(struct sp_writer *w, const struct sp_decision *d);
void sp_decision_write_json(struct sp_writer *w, const struct sp_decision *d);
void sp_decision_write_caller(struct sp_writer *w, const struct sp_decision *d); /* the inner object */

#endif
