/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the admin page answers, path by path.  For this directory.  Main thread.
 */
#ifndef SP_ADMIN_HANDLERS_H
#define SP_ADMIN_HANDLERS_H

#include <jansson.h>

#include "base/buf.h"
#include "base/json.h"
#include "server/refusals.h"
#include "server/reload_ask.h"
#include "server/server.h"
#include "stream/filter.h"

struct sp_admin_remote; /* remote.c */
struct sp_admin_request;

/* The filter of one stream: an answer may take longer than a turn. */
struct sp_admin_stream {
    struct sp_filter filter;
    struct sp_admin_remote *remote; /* of another listener's filter, which asks from its worker; NULL: `filter` is the admin page's own */
    struct sp_reload_ask ask;
    struct sp_refusals_ask refusals;
    struct sp_admin_request *request; /* in the arena; of an answer that comes later and goes by it */
    struct sp_admin_body *body; /* NULL, or what answers (admin/body.h) */
    bool json; /* how the one who asks wants to be told */
};

struct sp_admin_request {
    struct sp_server *server;
    const struct sp_admin *admin; /* whose allow_paths hold; NULL: another listener's filter asks, and looks after its own */
    struct sp_admin_stream *stream;
    struct sp_str method, path, query; /* path without the query; query without '?' */
    struct sp_arena *arena;
};

struct sp_admin_answer {
    unsigned status;          /* 200 unless set */
    const char *content_type; /* text/plain unless set */
    struct sp_buf body;
    bool page;                /* the page for people, which has scripts */
    bool cut;                 /* memory is out: the body lacks something, and 503 is what is sent */
    bool later;               /* the handler calls sp_admin_answer itself, in another turn */
};

/* 200, text/plain, an empty body. */
void sp_admin_answer_init(struct sp_admin_answer *a);
/* Sends it to who asked, in pieces where it is long (body.c); takes the body. */
void sp_admin_answer(struct sp_filter *f, struct sp_admin_answer *a);

/* POST changes something. */
enum sp_admin_method { SP_ADMIN_GET, SP_ADMIN_POST, SP_ADMIN_GET_POST };

struct sp_admin_handler {
    const char *path;
    enum sp_admin_method method;
    const char *help;
    void (*run)(const struct sp_admin_request *r, struct sp_admin_answer *a);
};

/* Answers it, or says why not: no such path, not by this method. What is not answered yet is `later`. */
void sp_admin_dispatch(const struct sp_admin_request *r, struct sp_admin_answer *a);
/* Path and query of a request's target. */
void sp_admin_split(struct sp_str target, struct sp_str *ret_path, struct sp_str *ret_query);
/* What an answer has besides. */
const struct sp_header *sp_admin_headers(const struct sp_admin_answer *a, unsigned *ret_n);
/* allow_paths. */
struct sp_admin;
bool sp_admin_may(const struct sp_admin *admin, struct sp_str path);

/* Answers questions from other listeners (filters/admin_desk.h) from now on, until `stop`. */
void sp_admin_remote_start(struct sp_server *s);
void sp_admin_remote_stop(void);
void sp_admin_remote_answer(struct sp_admin_remote *r, struct sp_admin_answer *a); /* for sp_admin_answer */

/* NULL when there is no such path. */
const struct sp_admin_handler *sp_admin_handler_find(struct sp_str path);
/* All of them, for /help and the index; *ret_n of them. */
const struct sp_admin_handler *sp_admin_handlers(size_t *ret_n);

/* A query parameter, percent-decoded, in the arena. False when it is not there. */
bool sp_admin_param(const struct sp_admin_request *r, const char *name, struct sp_str *ret_value);
/* ?filter=REGEX: *ret stays as it is when there is none. False after answering 400. */
struct sp_regex;
bool sp_admin_filter(const struct sp_admin_request *r, struct sp_admin_answer *a, struct sp_regex **ret);
/* Whether ?format=json asks for it. */
bool sp_admin_wants_json(const struct sp_admin_request *r);
/* Unix seconds as "2026-11-24T18:44:44Z". */
void sp_admin_time_text(int64_t at, char out[32]);
/* The same as a string of JSON; null for 0, which is never. */
json_t *sp_admin_json_time(int64_t at);
/* Takes `v`; one member a line, or all in one line. */
void sp_admin_put_json(struct sp_admin_answer *a, json_t *v);
void sp_admin_put_compact(struct sp_admin_answer *a, json_t *v);
void sp_admin_put(struct sp_admin_answer *a, const char *fmt, ...) SP_PRINTF(2, 3);
/* The same of text with names that a config or a peer chose: one line, or a piece of one, in which they forge nothing. */
void sp_admin_put_line(struct sp_admin_answer *a, const char *fmt, ...) SP_PRINTF(2, 3);

/* In other files of this directory. */
void sp_admin_page_show(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_stats(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_stats_prometheus(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_contention(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_drain_listeners(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_init_dump(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_memory(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_runtime(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_runtime_modify(const struct sp_admin_request *r, struct sp_admin_answer *a);
/* Of a path of Envoy's that there is not: what to do instead; NULL: it is none of those. */
const char *sp_admin_instead(struct sp_str path);
void sp_admin_overview(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_secrets(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_files(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_refused(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_reload(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_config_dump(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_certs(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_clusters(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_listeners(const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_admin_server_info(const struct sp_admin_request *r, struct sp_admin_answer *a);

#endif
