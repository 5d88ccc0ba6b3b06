/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Early data of TLS 1.3 (RFC 8446 section 4.2.10), as a server takes it: scripts/deps puts this into src/tls13.c of wolfSSL 5.7.2, in place of
 * its own decision.  That came before the key share was looked at, so that a HelloRetryRequest could follow it, and asked nobody whether the
 * ticket had been used before.  Nothing is taken but on a connection for which sp_tls_expect_early was called.
 */
extern void sp_tls_weigh_early(WOLFSSL* ssl, const byte* ticket, word32 n, word32 age_ms) __attribute__((weak));
extern int sp_tls_take_early(WOLFSSL* ssl) __attribute__((weak));
void sp_tls_expect_early(WOLFSSL* ssl);

/* Before its ClientHello is read. */
void sp_tls_expect_early(WOLFSSL* ssl)
{
    ssl->earlyData = expecting_early_data;
}

/* A ticket is good, its binder too; it is wiped before anything else is known. */
static void sp_early_weigh(WOLFSSL* ssl, const PreSharedKey* psk, const void* first)
{
    if (ssl->earlyData == expecting_early_data && psk == first && ssl->options.resuming && sp_tls_weigh_early)
        sp_tls_weigh_early(ssl, psk->identity, psk->identityLen, psk->ticketAge - ssl->session->ticketAdd);
}

/* The ClientHello is good, and what follows from it agreed upon. From here on: process_early_data or no_early_data. */
static int sp_early_decide(WOLFSSL* ssl, int with_share)
{
    TLSX* early = TLSX_Find(ssl->extensions, TLSX_EARLY_DATA);
    int expected = ssl->earlyData == expecting_early_data, ret;
    ssl->earlyData = no_early_data;
    if (early != NULL)
        early->resp = 0;
    if (!expected || early == NULL || !with_share || ssl->options.serverState == SERVER_HELLO_RETRY_REQUEST_COMPLETE ||
        ssl->session->maxEarlyDataSz == 0 || !sp_tls_take_early || !sp_tls_take_early(ssl))
        return 0;
    early->resp = 1;
    ret = DeriveTls13Keys(ssl, early_data_key, DECRYPT_SIDE_ONLY, 1);
    if (ret == 0)
        ret = SetKeysSide(ssl, DECRYPT_SIDE_ONLY);
    if (ret != 0)
        return ret;
    ssl->keys.encryptionOn = 1;
    ssl->earlyData = process_early_data;
    return 0;
}
