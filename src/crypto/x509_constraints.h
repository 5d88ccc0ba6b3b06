/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Name constraints, RFC 5280 section 4.2.1.10: which names the certificates below a CA may bear.  DNS, email, URI, IP
 * and directory names; a constraint of another kind is taken as broken.  Pure, any thread.
 */
#ifndef SP_CRYPTO_X509_CONSTRAINTS_H
#define SP_CRYPTO_X509_CONSTRAINTS_H

#include "crypto/x509.h"

/* Whether all names of `cert` are within `constraints`, the content of a CA's extension. */
bool sp_x509_within(const struct sp_x509 *cert, struct sp_str constraints);

#endif
