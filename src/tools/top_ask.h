/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_top_ask: one GET to the admin page after the other, without ever waiting: whoever drives it polls the descriptor.  HTTP/1.1 with a
 * connection for each, over TCP or a unix socket.  One thread.
 */
#ifndef SP_TOOLS_TOP_ASK_H
#define SP_TOOLS_TOP_ASK_H

#include <stdbool.h>
#include <stddef.h>

#include "net/addr.h"

enum { SP_TOP_ANSWER_MAX = 64 << 20 };

enum sp_top_state { SP_TOP_IDLE, SP_TOP_CONNECTING, SP_TOP_SENDING, SP_TOP_READING, SP_TOP_DONE, SP_TOP_FAILED };

struct sp_top_ask {
    struct sp_addr to;
    char host[SP_ADDR_TEXT_MAX]; /* for the Host header */
    enum sp_top_state state;
    int fd;             /* -1: none */
    char request[1024];
    size_t n_request, sent;
    char *answer;       /* n of cap */
    size_t n, cap;
    const char *body;   /* DONE: NUL-terminated, in answer */
    size_t n_body;
    unsigned status;    /* DONE */
    char why[256];      /* FAILED */
};

/* "127.0.0.1:9901", "[::1]:9901", "unix:/run/x.sock", "/run/x.sock". False: it is none of those. */
bool sp_top_address(const char *text, struct sp_addr *ret);
void sp_top_ask_init(struct sp_top_ask *a, const struct sp_addr *to);
void sp_top_ask_done(struct sp_top_ask *a);
/* Gives up what is under way; then asks for `path`. */
void sp_top_ask_begin(struct sp_top_ask *a, const char *path);
/* What to poll `fd` for; 0: it is idle, done or failed. */
short sp_top_ask_events(const struct sp_top_ask *a);
/* The descriptor is ready. */
void sp_top_ask_run(struct sp_top_ask *a);
/* It took too long, or the like: it has failed. */
void sp_top_ask_fail(struct sp_top_ask *a, const char *why);

#endif
