/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_sample: a share of all addresses, in percent: whom a rule on trial is enforced for.  Drawn by a keyed hash of the
 * address, so that it is the same for ever, on every worker and instance, and after a restart: a draw that could be
 * repeated would let the patient in.  The key is made of the rule's own name, so that rules do not all try the same
 * clients.  Who is in a share is in every larger one too.  Part of a config: immutable, any thread.
 */
#ifndef SP_NET_SAMPLE_H
#define SP_NET_SAMPLE_H

#include "config/doc.h"
#include "google/protobuf/wrappers.pb-c.h"
#include "net/addr.h"

struct sp_sample {
    uint8_t key[32];
    unsigned percent; /* 0 to 100 */
};

/* `scope` and `name` say which rule it is: the connection manager's stat_prefix, the filter's name. */
void sp_sample_init(struct sp_sample *s, unsigned percent, struct sp_str scope, struct sp_str name);
/* Of a message with `enforced_percent`: 100 when that is not set. False, with an error, when it is set beside SHADOW. */
bool sp_sample_read(struct sp_sample *s, const struct sp_doc *doc, struct sp_diag *diag, const void *msg, bool shadow,
                    const Google__Protobuf__UInt32Value *percent, struct sp_str scope, struct sp_str name);
/* IPv6 counts by /64, which one host has for itself. NULL, and what is no IP address, is always in: nothing to draw by. */
bool sp_sample_has(const struct sp_sample *s, const struct sp_addr *a);

#endif
