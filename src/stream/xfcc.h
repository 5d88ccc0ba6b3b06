/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x-forwarded-client-cert: forward_client_cert_details and set_current_client_cert_details, as Envoy writes it.  Values
 * come from certificates, that is from peers: ',' ';' '=' and '"' in them are quoted, so that no certificate can forge
 * an element.  Pure; any thread.
 */
#ifndef SP_STREAM_XFCC_H
#define SP_STREAM_XFCC_H

#include "http/headers.h"
#include "stream/info.h"

enum sp_xfcc_mode { SP_XFCC_SANITIZE, SP_XFCC_FORWARD_ONLY, SP_XFCC_APPEND, SP_XFCC_SET, SP_XFCC_ALWAYS_FORWARD_ONLY };

struct sp_xfcc_rules {
    uint8_t mode; /* enum sp_xfcc_mode, the numbers of ForwardClientCertDetails */
    bool subject, cert, chain, dns, uri;
};

/* The header is taken away. A certificate that was presented and not verified counts as none. */
bool sp_xfcc_drops(const struct sp_xfcc_rules *rules, const struct sp_stream_info *info);
/* Where it is not: writes what the rules say. */
void sp_xfcc_write(const struct sp_xfcc_rules *rules, const struct sp_stream_info *info, struct sp_headers *h);

#endif
