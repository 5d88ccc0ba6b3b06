/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The generated table behind sp_envoy_has_field and sp_envoy_has_message: names and numbers of Envoy's API, for
 * error messages and for the test that holds our .proto files against them.  Static.
 */
#ifndef SP_CONFIG_ENVOY_NAMES_H
#define SP_CONFIG_ENVOY_NAMES_H

#include <stddef.h>

struct sp_envoy_message {
    const char *name;   /* full */
    const char *fields; /* "name=1 address=2 ", each with a space behind it; NULL for messages we do not have */
};

/* Sorted by name. */
extern const struct sp_envoy_message sp_envoy_messages[];
extern const size_t sp_envoy_n_messages;

#endif
