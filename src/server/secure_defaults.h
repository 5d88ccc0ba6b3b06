/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * secure_defaults of sallyport.bootstrap.v1.Edge: what Envoy recommends for an edge is filled into a document where its text says
 * nothing (config/fill.h), before it is compiled.  What the text says stays, whatever it is.  Compiling thread.
 */
#ifndef SP_SERVER_SECURE_DEFAULTS_H
#define SP_SERVER_SECURE_DEFAULTS_H

#include "config/doc.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

/* One field: of which message ("a.b": of a message in it), and to what: as in sp_doc_fill. */
struct sp_secure_default {
    const ProtobufCMessageDescriptor *message;
    const char *field;
    int64_t value;
};

/* Whether the document has it on. */
bool sp_secure_defaults_on(const struct sp_doc *doc, const Envoy__Config__Bootstrap__V3__Bootstrap *msg);
/* Does nothing if it is off. Adds an error for each cluster whose TLS would take any origin's certificate. */
void sp_secure_defaults(const struct sp_doc *doc, struct sp_diag *diag, const Envoy__Config__Bootstrap__V3__Bootstrap *msg);
/* Fills in whether it is on or not: for those who want to know what it would change. */
void sp_secure_defaults_fill(const struct sp_doc *doc);
/* The table, for the page that shows it. */
const struct sp_secure_default *sp_secure_defaults_table(size_t *ret_n);

#endif
