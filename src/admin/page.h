/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page for people at the admin's root: page/index.html with its style and scripts, one document in the binary (cmake/Page.cmake).
 * It asks /overview and the other pages from the browser; nothing else is ever asked, and its policy (admin/page_bytes.h, generated) lets nothing else run.
 */
#ifndef SP_ADMIN_PAGE_H
#define SP_ADMIN_PAGE_H

#include "base/str.h"

extern const struct sp_str sp_admin_page;
/* Where in it the paths stand that this admin lets be asked: SP_ADMIN_PAGE_MARK, to be replaced. */
extern const unsigned sp_admin_page_mark;
#define SP_ADMIN_PAGE_MARK "@MAY@"

#endif
