/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a filter's state belongs, so that the next config finds it (config/keep.h): the connection manager's stat_prefix, the
 * filter's name, and which one of several there.  Only while a config is compiled.
 */
#ifndef SP_FILTERS_PLACE_H
#define SP_FILTERS_PLACE_H

#include "config/doc_hash.h"
#include "stream/filter.h"

/*
 * `what`: kind of state. `msg`: what it is made of, without the fields `skip`; NULL: it stays whatever changes. The first, the
 * second one of a document that are equal in all this are told apart by their order.
 */
void sp_filter_place(const struct sp_filter_build *b, const char *what, const void *msg, const char *const *skip, struct sp_hash *ret);

#endif
