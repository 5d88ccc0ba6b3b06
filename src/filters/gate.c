/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/gate.h"

#include <assert.h>

#include "config/doc.h"
#include "config/secret.h"

enum { MAX_BODY = 4096, MAX_LOG_PATH = 100 };

static bool read_body(const struct sp_filter_build *build, struct sp_arena *arena,
                      const Envoy__Config__Core__V3__DataSource *source, struct sp_str *ret)
{
    struct sp_secret body;
    if (sp_secret_read(build->doc, build->diag, source, 0, &body) < 0)
        return false;
    bool fits = body.len <= MAX_BODY;
    if (fits)
        *ret = sp_arena_str(arena, sp_secret_str(&body));
    else
        sp_doc_err(build->doc, build->diag, source, NULL, -1, "larger than 4096 bytes (a refusal has to be cheap)");
    sp_secret_done(&body);
    return fits;
}

bool sp_gate_refusal_init(const struct sp_filter_build *build, struct sp_arena *arena,
                          const Sallyport__Common__V1__Refusal *msg, struct sp_gate_refusal *ret)
{
    assert(build && arena && ret);
    struct sp_gate_refusal r = {.status = 403};
    if (msg && msg->reset && (msg->status || msg->body)) {
        sp_doc_err(build->doc, build->diag, msg, "reset", -1,
                   "a reset has neither status nor body (drop the one or the others)");
        return false;
    }
    if (msg) {
        r.reset = msg->reset;
        if (msg->status)
            r.status = msg->status->value;
    }
    r.body = sp_status_reason(r.status);
    if (msg && msg->body && !read_body(build, arena, msg->body, &r.body))
        return false;
    *ret = r;
    return true;
}

enum sp_status sp_gate_refuse(struct sp_filter *f, const struct sp_gate_refusal *refusal, struct sp_str details)
{
    assert(f && refusal && details.len);
    const struct sp_reply reply = {
        .status = refusal->status,
        .body = refusal->body,
        .details = details,
        .no_store = true,
        .reset = refusal->reset,
    };
    sp_filter_reply(f, &reply);
    return SP_STOP;
}

struct sp_str sp_gate_header_name(const struct sp_filter_build *build, struct sp_arena *arena, const void *msg,
                                  const char *field, const char *name)
{
    struct sp_str lower = sp_arena_str(arena, sp_str_c(name));
    char *p = (char *)(uintptr_t)lower.ptr;
    for (size_t i = 0; i < lower.len; i++)
        p[i] = sp_ascii_lower(p[i]);
    if (!sp_header_name_valid(lower) || sp_str_eq(lower, SP_STR("host"))) {
        sp_doc_err(build->doc, build->diag, msg, field, -1, "'%s' is not the name of an ordinary header", name);
        return SP_STR_NULL;
    }
    return lower;
}

bool sp_gate_preflight(const struct sp_headers *h)
{
    assert(h);
    return sp_str_eq(h->method, SP_STR("OPTIONS")) && sp_headers_get_id(h, SP_H_ORIGIN).len &&
           sp_headers_get(h, SP_STR("access-control-request-method")).len;
}

struct sp_str sp_gate_log_path(const struct sp_headers *h)
{
    ptrdiff_t query = sp_str_chr(h->path, '?');
    return sp_str_sub(h->path, 0, SP_MIN(query < 0 ? h->path.len : (size_t)query, (size_t)MAX_LOG_PATH));
}
