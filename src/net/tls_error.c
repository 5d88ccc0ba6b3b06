/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_error.h"

#include <stdio.h>
#include <stdlib.h>

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include "base/mem.h"

enum { TEXT_MAX = 200, RECORD_ALERT = 21 };

/* RFC 8446 section 6. */
static const struct {
    int code;
    const char *name;
} alerts[] = {
    {0, "close notify"},
    {10, "unexpected message"},
    {20, "bad record MAC"},
    {22, "record overflow"},
    {40, "handshake failure"},
    {42, "bad certificate"},
    {43, "unsupported certificate"},
    {44, "certificate revoked"},
    {45, "certificate expired"},
    {46, "certificate unknown"},
    {47, "illegal parameter"},
    {48, "unknown CA"},
    {49, "access denied"},
    {50, "decode error"},
    {51, "decrypt error"},
    {70, "protocol version"},
    {71, "insufficient security"},
    {80, "internal error"},
    {86, "inappropriate fallback"},
    {90, "user canceled"},
    {100, "no renegotiation"},
    {109, "missing extension"},
    {110, "unsupported extension"},
    {112, "unrecognized name"},
    {113, "bad certificate status response"},
    {115, "unknown PSK identity"},
    {116, "certificate required"},
    {120, "no application protocol"},
};

static const struct {
    int code;
    const char *text;
} known[] = {
    {NO_PEER_CERT, "peer did not return a certificate"},
    {VERSION_ERROR, "no version of TLS is common"},
    {MATCH_SUITE_ERROR, "no cipher, signature algorithm or group is common"},
    {UNSUPPORTED_SUITE, "no cipher is common"},
    {ECC_CURVE_ERROR, "no group is common"},
    {BAD_KEY_SHARE_DATA, "no group is common"},
    {UNKNOWN_RECORD_TYPE, "what the peer sent is no TLS record"},
    {UNKNOWN_HANDSHAKE_TYPE, "unknown handshake message"},
    {OUT_OF_ORDER_E, "a handshake message out of order"},
    {SANITY_MSG_E, "a handshake message out of order"},
    {LENGTH_ERROR, "a record is too long"},
    {DECRYPT_ERROR, "a record does not decrypt"},
    {VERIFY_MAC_ERROR, "a record does not decrypt"},
    {AES_GCM_AUTH_E, "a record does not decrypt"},
    {MAC_CMP_FAILED_E, "a record does not decrypt"},
    {VERIFY_FINISHED_ERROR, "the peer's Finished message is wrong"},
    {VERIFY_SIGN_ERROR, "the peer's signature is wrong"},
    {SIG_VERIFY_E, "the peer's signature is wrong"},
    {TOO_MUCH_EARLY_DATA, "more early data than is allowed"},
    {HANDSHAKE_SIZE_ERROR, "a handshake message is too long"},
    {MAX_CHAIN_ERROR, "the peer's certificate chain is too long"},
    {ASN_PARSE_E, "the peer's certificate is malformed"},
    {RSA_KEY_SIZE_E, "the peer's key is too small"},
    {ECC_KEY_SIZE_E, "the peer's key is too small"},
};

static const char *alert_name(int code)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(alerts); i++)
        if (alerts[i].code == code)
            return alerts[i].name;
    return "unknown";
}

static const char *alert_of(const struct sp_tls *t)
{
    WOLFSSL_ALERT_HISTORY h = {0};
    if (!t->ssl || wolfSSL_get_alert_history(t->ssl, &h) != WOLFSSL_SUCCESS)
        return NULL;
    return alert_name(h.last_rx.code);
}

/*
 * OpenSSL's clients of TLS 1.3 refuse a certificate with an alert in the clear, as they have no keys yet; wolfSSL stops at
 * its head. Nobody vouches for it, but the connection is over whatever it says.
 */
static const char *clear_alert_of(const struct sp_tls *t)
{
    const struct sp_tls_frame *f = &t->frame;
    uint8_t alert[2];
    if (f->n_head != sizeof(f->head) || f->head[0] != RECORD_ALERT || f->left != sizeof(alert) || !t->in)
        return NULL;
    return sp_buf_peek(t->in, alert, sizeof(alert)) == sizeof(alert) ? alert_name(alert[1]) : "unknown";
}

static void verdict_text(const struct sp_tls *t, char out[TEXT_MAX])
{
    if (t->verdict == SP_TLS_BAD_CHAIN)
        snprintf(out, TEXT_MAX, "TLS error: certificate verification failed at depth %u: %s", t->problem.depth,
                 t->problem.text);
    else if (t->verdict == SP_TLS_BAD_NAME)
        snprintf(out, TEXT_MAX, "TLS error: certificate verification failed: none of its names is one that is accepted");
    else
        snprintf(out, TEXT_MAX, "TLS error: certificate verification failed: neither it nor its key is pinned");
}

char *sp_tls_explain(const struct sp_tls *t, int wolf_error)
{
    char out[TEXT_MAX];
    const char *alert;
    if (t->why) {
        snprintf(out, sizeof(out), "%s", t->why);
    } else if (t->verdict != SP_TLS_GOOD) {
        verdict_text(t, out);
    } else if ((alert = wolf_error == FATAL_ERROR   ? alert_of(t)
                        : wolf_error == PARSE_ERROR ? clear_alert_of(t)
                                                    : NULL) != NULL) {
        snprintf(out, sizeof(out), "TLS error: the peer sent the alert \"%s\"", alert);
    } else {
        const char *text = NULL;
        for (size_t i = 0; i < SP_ARRAY_LEN(known); i++)
            if (known[i].code == wolf_error)
                text = known[i].text;
        snprintf(out, sizeof(out), "TLS error: %s", text ? text : wolfSSL_ERR_reason_error_string((unsigned long)-wolf_error));
    }
    return sp_xstrdup(out);
}
