/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of `sallyport explain`.  Private to tools/explain*.  Strings are argv's or the arena's. */
#ifndef SP_TOOLS_EXPLAIN_ARGS_H
#define SP_TOOLS_EXPLAIN_ARGS_H

#include <stdio.h>

#include "base/arena.h"
#include "base/log.h"
#include "net/addr.h"

enum { SP_EXPLAIN_MAX_HEADERS = 100, SP_EXPLAIN_MAX_CERTS = 10 };

struct sp_explain_args {
    const char *config_path, *config_yaml;
    struct sp_str method, authority, target; /* of --request; authority as it stands in the URL */
    struct sp_str url;
    bool https;
    uint16_t port;               /* of the URL; 0: none is written */
    struct sp_addr from, proxy_from, to; /* family 0: not given (from always is) */
    struct { struct sp_str name, value; } headers[SP_EXPLAIN_MAX_HEADERS]; /* names as written */
    unsigned n_headers;
    struct sp_str sni;           /* of --sni, or the URL's host where that is a name */
    struct sp_str alpn[2];
    unsigned n_alpn;
    bool alpn_given;
    struct sp_str certs[SP_EXPLAIN_MAX_CERTS]; /* DER; the leaf first */
    unsigned n_certs;
    const char *listener;
    struct sp_str body;
    bool has_body;
    int64_t wall_ns;             /* of --time; 0: now */
    bool json, show_headers, help;
    enum sp_log_level log_level;
};

/* 0, or -EINVAL with what is wrong in `why`. */
int sp_explain_args(int argc, char **argv, struct sp_arena *arena, struct sp_explain_args *ret, char *why, size_t why_size);
void sp_explain_help(FILE *to);

#endif
