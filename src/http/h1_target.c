/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Request targets (RFC 9112 section 3.2). */
#include <assert.h>

#include "http/h1_parse.h"

/* Behind "http://" or "https://". The authority replaces Host (section 3.2.2). */
static enum sp_h1_err absolute_form(struct sp_headers *h, struct sp_str rest)
{
    size_t n = 0;
    while (n < rest.len && rest.ptr[n] != '/' && rest.ptr[n] != '?')
        n++;
    h->authority = sp_str_n(rest.ptr, n);
    if (!sp_authority_valid(h->authority))
        return SP_H1E_URL;
    h->path = sp_str_sub(rest, n, rest.len);
    if (!h->path.len)
        h->path = sp_str_eq(h->method, SP_STR("OPTIONS")) ? SP_STR("*") : SP_STR("/");
    else if (h->path.ptr[0] == '?')
        h->path = sp_arena_cat(h->arena, SP_STR("/"), h->path);
    return SP_H1E_NONE;
}

enum sp_h1_err sp_h1_target(struct sp_headers *h, const struct sp_codec_config *config, struct sp_str target)
{
    assert(h && config && target.len);
    h->scheme = config->tls ? SP_STR("https") : SP_STR("http");
    if (sp_str_eq(h->method, SP_STR("CONNECT"))) {
        h->authority = target;
        return sp_connect_target_valid(target) ? SP_H1E_NONE : SP_H1E_URL;
    }
    if (target.ptr[0] == '/') {
        h->path = target;
        return SP_H1E_NONE;
    }
    if (target.ptr[0] == '*') {
        h->path = target;
        return target.len == 1 && sp_str_eq(h->method, SP_STR("OPTIONS")) ? SP_H1E_NONE : SP_H1E_URL;
    }
    if (!config->h1_allow_absolute_url)
        return SP_H1E_URL;
    bool https = sp_str_istarts(target, SP_STR("https://"));
    if (!https && !sp_str_istarts(target, SP_STR("http://")))
        return sp_str_find(target, SP_STR("://")) > 0 ? SP_H1E_SCHEME : SP_H1E_URL;
    enum sp_h1_err err = absolute_form(h, sp_str_sub(target, https ? 8 : 7, target.len));
    if (err)
        return err;
    return https && !config->tls ? SP_H1E_SCHEME_MISMATCH : SP_H1E_NONE;
}
