/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/page.h"

#include <assert.h>
#include <string.h>

#include "admin/handlers.h"

/*
 * The paths that the page may ask, and with a '+' those by which it may change something; all are ours, nothing in them needs quoting.
 * A filter of another listener (admin == NULL) says no itself where it does not want to answer.
 */
static void put_paths(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    size_t n;
    const struct sp_admin_handler *h = sp_admin_handlers(&n);
    for (size_t i = 0; i < n; i++) {
        if (r->admin && !sp_admin_may(r->admin, sp_str_c(h[i].path)))
            continue;
        if (h[i].method != SP_ADMIN_POST)
            sp_admin_put(a, "%s ", h[i].path);
        if (h[i].method != SP_ADMIN_GET && r->admin)
            sp_admin_put(a, "+%s ", h[i].path);
    }
}

void sp_admin_page_show(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    assert(r && a);
    size_t mark = sp_admin_page_mark, behind = mark + strlen(SP_ADMIN_PAGE_MARK);
    a->content_type = "text/html; charset=UTF-8";
    a->page = true;
    sp_buf_append_str(&a->body, sp_str_sub(sp_admin_page, 0, mark));
    put_paths(r, a);
    sp_buf_append_str(&a->body, sp_str_sub(sp_admin_page, behind, sp_admin_page.len));
}
