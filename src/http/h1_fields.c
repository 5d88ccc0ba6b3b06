/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Field lines (RFC 9112 section 5): syntax, framing, and what concerns this connection only. */
#include <assert.h>

#include "http/chars.h"
#include "http/h1_parse.h"

enum { NOMINATED_MAX = 10, LENGTH_MAX_DIGITS = 19 };

/* What is done with a known name. */
enum role { PASS, ROLE_HOST, ROLE_LENGTH, ROLE_ENCODING, ROLE_CONNECTION, ROLE_UPGRADE, ROLE_TE, ROLE_EXPECT, DROP };

static const uint8_t roles[SP_H_COUNT] = {
    [SP_H_HOST] = ROLE_HOST,
    [SP_H_CONTENT_LENGTH] = ROLE_LENGTH,
    [SP_H_TRANSFER_ENCODING] = ROLE_ENCODING,
    [SP_H_CONNECTION] = ROLE_CONNECTION,
    [SP_H_UPGRADE] = ROLE_UPGRADE,
    [SP_H_TE] = ROLE_TE,
    [SP_H_EXPECT] = ROLE_EXPECT,
    [SP_H_KEEP_ALIVE] = DROP,
    [SP_H_PROXY_CONNECTION] = DROP,
    [SP_H_HTTP2_SETTINGS] = DROP,
};

/*
 * Of the names that we know, Connection may name these only (RFC 9110 section 7.6.1): the others are meant for every
 * recipient, and a client could take away what we or the next hop rely on.
 */
static const uint8_t nominable[SP_H_COUNT] = {
    [SP_H_OTHER] = 1, [SP_H_CONNECTION] = 1, [SP_H_HTTP2_SETTINGS] = 1, [SP_H_KEEP_ALIVE] = 1, [SP_H_PROXY_CONNECTION] = 1,
    [SP_H_TRAILER] = 1,
};

struct fields {
    struct sp_h1_head *p;
    const struct sp_codec_config *config;
    struct sp_headers *h;
    struct sp_h1_info *info;
    struct sp_str upgrade;
    struct sp_str host;
    unsigned n_nominated, n_removed;
    unsigned n_hosts, n_encodings;
    bool close, keep_alive, wants_upgrade;
    struct sp_str *removed; /* lower-case names that Connection asks to remove */
};

static void soft(struct fields *f, enum sp_h1_err err)
{
    if (!f->info->soft)
        f->info->soft = err;
}

static enum sp_h1_err content_length(struct fields *f, struct sp_str value)
{
    if (f->info->has_length)
        return SP_H1E_LENGTHS;
    f->info->has_length = true;
    if (value.len > LENGTH_MAX_DIGITS || sp_str_u64(value, INT64_MAX, &f->info->length) != 0)
        return SP_H1E_LENGTH;
    return SP_H1E_NONE;
}

static enum sp_h1_err transfer_encoding(struct fields *f, struct sp_str value)
{
    if (f->n_encodings++ || !sp_str_ieq(value, SP_STR("chunked")))
        return SP_H1E_ENCODING;
    f->info->chunked = true;
    return SP_H1E_NONE;
}

/* One name of Connection; the bytes are ours to lower-case. */
static enum sp_h1_err nominated(struct fields *f, struct sp_str token)
{
    char *name = (char *)(uintptr_t)token.ptr;
    if (++f->n_nominated >= NOMINATED_MAX)
        return SP_H1E_CONNECTION;
    if (sp_lower_token(name, name + token.len) != name + token.len)
        return SP_H1E_CONNECTION;
    if (sp_str_eq(token, SP_STR("close"))) {
        f->close = true;
    } else if (sp_str_eq(token, SP_STR("keep-alive"))) {
        f->keep_alive = true;
    } else if (sp_str_eq(token, SP_STR("upgrade"))) {
        f->wants_upgrade = true;
    } else if (!sp_str_eq(token, SP_STR("te"))) {
        if (!nominable[sp_header_id(token)])
            return SP_H1E_CONNECTION;
        f->removed[f->n_removed++] = token;
    }
    return SP_H1E_NONE;
}

static enum sp_h1_err connection(struct fields *f, struct sp_str value)
{
    struct sp_str token;
    while (sp_str_split(&value, ',', &token)) {
        token = sp_str_trim(token);
        enum sp_h1_err err = token.len ? nominated(f, token) : SP_H1E_NONE;
        if (err)
            return err;
    }
    return SP_H1E_NONE;
}

/* Of TE only "trailers" is for the next hop too. */
static void te(struct fields *f, struct sp_str value)
{
    struct sp_str token;
    while (sp_str_split(&value, ',', &token))
        if (sp_str_ieq(sp_str_trim(token), SP_STR("trailers")) && !sp_headers_find_id(f->h, SP_H_TE, NULL))
            sp_headers_add_id(f->h, SP_H_TE, SP_STR("trailers"));
}

/* A line whose name has a role. */
static enum sp_h1_err special(struct fields *f, enum sp_header_id id, struct sp_str value)
{
    bool request = f->p->kind == SP_H1_REQUEST;
    switch ((enum role)roles[id]) {
    case ROLE_HOST:
        if (!request)
            break;
        f->n_hosts++;
        f->host = value;
        return SP_H1E_NONE;
    case ROLE_LENGTH:
        sp_headers_add_id(f->h, id, value);
        return content_length(f, value);
    case ROLE_ENCODING:
        return transfer_encoding(f, value);
    case ROLE_CONNECTION:
        return connection(f, value);
    case ROLE_UPGRADE:
        if (f->upgrade.ptr)
            soft(f, SP_H1E_UPGRADE);
        f->upgrade = value;
        return SP_H1E_NONE;
    case ROLE_TE:
        if (request)
            te(f, value);
        return SP_H1E_NONE;
    case ROLE_EXPECT:
        if (request && sp_str_ieq(value, SP_STR("100-continue")))
            f->info->expect_continue = f->p->version == SP_HTTP_11;
        break;
    case DROP:
        return SP_H1E_NONE;
    case PASS:
        break;
    }
    sp_headers_add_id(f->h, id, value);
    return SP_H1E_NONE;
}

static bool underscore(struct fields *f, struct sp_str name)
{
    if (!f->config->underscores || !memchr(name.ptr, '_', name.len))
        return false;
    if (f->config->underscores == 1)
        soft(f, SP_H1E_UNDERSCORE);
    else
        f->info->underscores_dropped++;
    return true;
}

static inline bool is_ows(char c)
{
    return c == ' ' || c == '\t';
}

/* One line without its CRLF. */
static inline enum sp_h1_err split_line(char *line, char *end, struct sp_header *ret)
{
    char *colon = sp_lower_token(line, end);
    if (colon == line)
        return colon < end && is_ows(*colon) ? SP_H1E_FOLDED : SP_H1E_NAME;
    if (colon == end || *colon != ':')
        return SP_H1E_NAME;
    char *value = colon + 1;
    while (value < end && is_ows(*value))
        value++;
    while (end > value && is_ows(end[-1]))
        end--;
    ret->name = sp_str_n(line, (size_t)(colon - line));
    ret->value = sp_str_n(value, (size_t)(end - value));
    ret->id = (uint8_t)sp_header_id(ret->name);
    ret->never_index = ret->secret = false;
    return SP_H1E_NONE;
}

/* RFC 9112 section 6.3: what would leave the length of the message in doubt. */
static enum sp_h1_err check_framing(struct fields *f)
{
    struct sp_h1_info *info = f->info;
    bool response = f->p->kind == SP_H1_RESPONSE, bodiless = response && (f->p->status < 200 || f->p->status == 204);
    if (info->chunked && (f->p->version == SP_HTTP_10 || bodiless))
        return SP_H1E_ENCODING_NOT_ALLOWED;
    if (bodiless && info->has_length) {
        if (info->length)
            return SP_H1E_LENGTH_NOT_ALLOWED;
        sp_headers_remove_id(f->h, SP_H_CONTENT_LENGTH);
        info->has_length = false;
    }
    if (info->chunked && info->has_length) {
        if (!f->config->h1_allow_chunked_length)
            return SP_H1E_LENGTH_AND_CHUNKED;
        sp_headers_remove_id(f->h, SP_H_CONTENT_LENGTH);
        info->has_length = false;
        info->length = 0;
        info->suspicious = true;
    }
    return SP_H1E_NONE;
}

/* RFC 9112 section 3.2: exactly one Host; a target in absolute form replaces it. */
static void check_host(struct fields *f)
{
    if (f->n_hosts > 1) {
        soft(f, SP_H1E_HOSTS);
        return;
    }
    if (!f->n_hosts && f->p->version == SP_HTTP_10 && f->config->h1_default_host.len) {
        f->host = f->config->h1_default_host;
        f->n_hosts = 1;
    }
    if (!f->n_hosts && !(f->p->version == SP_HTTP_10 && f->h->authority.len)) {
        soft(f, SP_H1E_NO_HOST);
        return;
    }
    if (f->n_hosts && !sp_authority_valid(f->host))
        soft(f, SP_H1E_HOST);
    else if (!f->h->authority.len)
        f->h->authority = f->host;
}

/*
 * RFC 9110 section 7.8. h2c is not spoken this way, and the offer is passed over, as any may be; other protocols go to
 * the receiver as h->protocol, which refuses or takes them. Either way nothing behind the message is read as HTTP, so
 * that a body would have no end that both sides agree on.
 */
static void check_upgrade(struct fields *f)
{
    if (!f->wants_upgrade || !f->upgrade.len || f->p->version == SP_HTTP_10)
        return;
    if (sp_str_ieq(f->upgrade, SP_STR("h2c")))
        return;
    if (f->info->chunked || f->info->length)
        soft(f, SP_H1E_UPGRADE_BODY);
    f->h->protocol = f->upgrade;
    f->info->suspicious = true;
}

/* RFC 9110 section 9.3.6: it has no body, and what follows is not HTTP. */
static enum sp_h1_err take_connect(struct fields *f)
{
    struct sp_h1_info *info = f->info;
    if (info->chunked || info->length)
        return info->chunked ? SP_H1E_ENCODING_NOT_ALLOWED : SP_H1E_LENGTH_NOT_ALLOWED;
    if (f->upgrade.ptr) /* two offers */
        soft(f, SP_H1E_UPGRADE);
    sp_headers_remove_id(f->h, SP_H_CONTENT_LENGTH);
    f->h->protocol = SP_CONNECT;
    info->suspicious = true;
    info->expect_continue = false;
    return SP_H1E_NONE;
}

static enum sp_h1_err finish(struct fields *f)
{
    struct sp_h1_info *info = f->info;
    enum sp_h1_err err = check_framing(f);
    if (err)
        return err;
    for (unsigned i = 0; i < f->n_removed; i++)
        sp_headers_remove(f->h, f->removed[i]);
    info->keep_alive = f->p->version == SP_HTTP_11 ? !f->close : f->keep_alive && !f->close;
    if (f->p->kind == SP_H1_RESPONSE) {
        if (f->p->status == 101 && f->wants_upgrade && f->p->version == SP_HTTP_11)
            f->h->protocol = f->upgrade;
        return SP_H1E_NONE;
    }
    check_host(f);
    if (!f->h->path.len)
        return take_connect(f);
    check_upgrade(f);
    return SP_H1E_NONE;
}

/* What lies at h->v[h->n] has a role, or its name must be looked at. */
static enum sp_h1_err not_plain(struct fields *f)
{
    struct sp_header line = f->h->v[f->h->n];
    if (f->p->kind == SP_H1_TRAILERS) {
        if (sp_header_may_trail((enum sp_header_id)line.id) && !underscore(f, line.name))
            f->h->n++;
        return SP_H1E_NONE;
    }
    if (roles[line.id])
        return special(f, (enum sp_header_id)line.id, line.value);
    if (!underscore(f, line.name))
        f->h->n++;
    return SP_H1E_NONE;
}

enum sp_h1_err sp_h1_fields(struct sp_h1_head *p, const struct sp_codec_config *config, char *base,
                            struct sp_headers *h, struct sp_h1_info *info)
{
    assert(p && config && base && h && info);
    struct sp_str removed[NOMINATED_MAX];
    struct fields f = {.p = p, .config = config, .h = h, .info = info, .removed = removed};
    bool trailers = p->kind == SP_H1_TRAILERS, strict = trailers || config->underscores;
    unsigned lines = p->lines;
    size_t at = trailers ? 0 : p->ends[0] + 2, bytes = p->method_len + p->target_len;
    sp_headers_reserve(h, lines + 1);
    for (unsigned i = trailers ? 0 : 1; i < lines; i++) {
        size_t end = SP_LIKELY(i < SP_H1_ENDS) ? p->ends[i]
                                               : (size_t)((char *)memchr(base + at, '\r', p->total - at) - base);
        struct sp_header *line = &h->v[h->n];
        enum sp_h1_err err = split_line(base + at, base + end, line);
        if (err)
            return err;
        bytes += line->name.len + line->value.len;
        if (SP_LIKELY(!roles[line->id] && !strict))
            h->n++;
        else if ((err = not_plain(&f)) != SP_H1E_NONE)
            return err;
        at = end + 2;
    }
    h->bytes = bytes;
    return trailers ? SP_H1E_NONE : finish(&f);
}
