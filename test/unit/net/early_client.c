/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "early_client.h"

#ifdef SP_EARLY_DATA
static int on_recv(WOLFSSL *ssl, char *p, int size, void *arg)
{
    struct early_client *c = arg;
    (void)ssl;
    size_t n = sp_buf_peek(&c->server.net_out, p, (size_t)size);
    sp_buf_drain(&c->server.net_out, n);
    return n ? (int)n : WOLFSSL_CBIO_ERR_WANT_READ;
}

static int on_send(WOLFSSL *ssl, char *p, int size, void *arg)
{
    struct early_client *c = arg;
    (void)ssl;
    sp_buf_append(&c->out, p, (size_t)size);
    sp_buf_append(&c->kept, p, (size_t)size);
    return size;
}

static int on_session(WOLFSSL *ssl, WOLFSSL_SESSION *session)
{
    struct early_client *c = wolfSSL_GetIOReadCtx(ssl);
    wolfSSL_SESSION_free(c->ticket);
    c->ticket = wolfSSL_SESSION_dup(session);
    return 0;
}

void early_begin(struct early_client *c, struct sp_tls_ctx *server, const char *alpn, WOLFSSL_SESSION *session)
{
    char list[16];
    kit_side_init(&c->server, sp_tls_accept(server));
    c->ticket = NULL;
    sp_buf_init(&c->out);
    sp_buf_init(&c->kept);
    c->ctx = wolfSSL_CTX_new(wolfTLSv1_3_client_method());
    wolfSSL_CTX_set_verify(c->ctx, WOLFSSL_VERIFY_NONE, NULL);
    wolfSSL_CTX_set_session_cache_mode(c->ctx, WOLFSSL_SESS_CACHE_NO_INTERNAL);
    wolfSSL_CTX_sess_set_new_cb(c->ctx, on_session);
    wolfSSL_CTX_SetIORecv(c->ctx, on_recv);
    wolfSSL_CTX_SetIOSend(c->ctx, on_send);
    c->ssl = wolfSSL_new(c->ctx);
    wolfSSL_set_max_early_data(c->ssl, EARLY_MOST); /* what it believes that tickets allow: it does not look */
    wolfSSL_SetIOReadCtx(c->ssl, c);
    wolfSSL_SetIOWriteCtx(c->ssl, c);
    snprintf(list, sizeof(list), "%s", alpn);
    assert_int_equal(wolfSSL_UseSNI(c->ssl, WOLFSSL_SNI_HOST_NAME, "localhost", 9), WOLFSSL_SUCCESS);
    assert_int_equal(wolfSSL_UseALPN(c->ssl, list, (unsigned)strlen(list), WOLFSSL_ALPN_CONTINUE_ON_MISMATCH), WOLFSSL_SUCCESS);
    if (session)
        assert_int_equal(wolfSSL_set_session(c->ssl, session), WOLFSSL_SUCCESS);
}

void early_end(struct early_client *c)
{
    kit_side_done(&c->server);
    wolfSSL_free(c->ssl);
    wolfSSL_CTX_free(c->ctx);
    wolfSSL_SESSION_free(c->ticket);
    sp_buf_clear(&c->out);
    sp_buf_clear(&c->kept);
}

void early_pump(struct kit_side *s, size_t high_water)
{
    s->state = sp_tls_pump(s->tls, &s->net_in, &s->app_in, &s->app_out, &s->net_out, high_water);
}

void early_carry(struct early_client *c, size_t n)
{
    while (c->out.len) {
        sp_buf_move_n(&c->server.net_in, &c->out, n ? SP_MIN(n, c->out.len) : c->out.len);
        early_pump(&c->server, 65536);
    }
}

bool early_finish(struct early_client *c)
{
    for (unsigned i = 0; i < 8 && wolfSSL_connect(c->ssl) != WOLFSSL_SUCCESS; i++)
        early_carry(c, 0);
    early_carry(c, 0);
    return c->server.state == SP_TLS_OPEN;
}

/* It comes with the first data of the server's. */
WOLFSSL_SESSION *early_ticket(struct sp_tls_ctx *server, const char *alpn)
{
    struct early_client c;
    char byte;
    early_begin(&c, server, alpn, NULL);
    assert_true(early_finish(&c));
    kit_say(&c.server, "x");
    early_pump(&c.server, 65536);
    assert_int_equal(wolfSSL_read(c.ssl, &byte, 1), 1);
    WOLFSSL_SESSION *s = c.ticket;
    assert_non_null(s);
    c.ticket = NULL;
    early_end(&c);
    return s;
}
#endif
