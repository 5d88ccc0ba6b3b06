/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tests of compiled configs share: a message from YAML text, all that was reported about it as text, and heads
 * written as text.
 */
#ifndef TEST_SUPPORT_CONFIG_H
#define TEST_SUPPORT_CONFIG_H

#include "config/doc.h"
#include "http/headers.h"

struct t_config {
    struct sp_doc *doc;
    struct sp_diag diag;
    const void *msg; /* the root */
};

/* Loads a message as "t.yaml" and checks the field rules; the test fails, showing the errors, unless all is well. */
void t_config_load(struct t_config *c, const ProtobufCMessageDescriptor *root, const char *yaml);
/* Everything reported since, as it would be printed; lives until t_config_done. */
const char *t_config_said(struct t_config *c);
void t_config_done(struct t_config *c);

/*
 * "name: value" lines to a head; ":method", ":scheme", ":authority", ":path", ":protocol" and ":status" set the fields.
 * Copied into the arena.
 */
void t_headers(struct sp_headers *h, struct sp_arena *arena, const char *lines);
/* The other way round, pseudo-headers first; in the arena. */
const char *t_headers_text(const struct sp_headers *h, struct sp_arena *arena);
/* A slice as a C string in the arena, "(null)" for a NULL slice. */
const char *t_c(struct sp_arena *arena, struct sp_str s);

#endif
