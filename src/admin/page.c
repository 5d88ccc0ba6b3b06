/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/page.h"

#include <assert.h>
#include <string.h>

#include "admin/handlers.h"

/* Whoever asks through a filter of another listener (admin == NULL) has it say no where it does not want to answer. */
static bool may_ask(const struct sp_admin_request *r, const struct sp_admin_handler *h)
{
    return r->admin ? sp_admin_may(r->admin, sp_str_c(h->path)) : h->method != SP_ADMIN_POST;
}

void sp_admin_page_show(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    assert(r && a);
    size_t n, mark = sp_admin_page_mark, behind = mark + strlen(SP_ADMIN_PAGE_MARK);
    const struct sp_admin_handler *h = sp_admin_handlers(&n);
    a->content_type = "text/html; charset=UTF-8";
    a->page = true;
    sp_buf_append_str(&a->body, sp_str_sub(sp_admin_page, 0, mark));
    for (size_t i = 0; i < n; i++)
        if (may_ask(r, &h[i]))
            sp_admin_put(a, "%s ", h[i].path); /* ours: nothing in them needs quoting */
    sp_buf_append_str(&a->body, sp_str_sub(sp_admin_page, behind, sp_admin_page.len));
}
