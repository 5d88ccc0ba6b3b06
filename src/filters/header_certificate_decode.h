/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Certificates out of a header's value, in the forms that CDNs and load balancers write.  Strict: what could be read
 * in two ways is refused.  Pure, any thread.
 */
#ifndef SP_FILTERS_HEADER_CERTIFICATE_DECODE_H
#define SP_FILTERS_HEADER_CERTIFICATE_DECODE_H

#include "base/arena.h"
#include "net/cert_check.h"
#include "sallyport/filters/http/header_certificate/v1/header_certificate.pb-c.h"

typedef Sallyport__Filters__Http__HeaderCertificate__V1__HeaderCertificate__Format sp_header_cert_format;

/* DERs in `arena`, the leaf first, at least one; 0 when the value is malformed or holds too many. */
unsigned sp_header_cert_decode(sp_header_cert_format format, struct sp_str value, struct sp_arena *arena,
                               struct sp_str ret[static SP_CERT_CHECK_MAX_CHAIN]);

#endif
