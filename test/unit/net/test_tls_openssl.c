/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Against OpenSSL, which knows nothing of our mistakes: s_client to a server of ours, a client of ours to s_server, over
 * loopback sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crypto/cert_gen.h"
#include "tls_kit.h"

enum { DEADLINE_S = 70 };

static char dir[] = "/tmp/sp-ossl-XXXXXX";

static void write_file(const char *name, const char *what, struct sp_str text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s.%s", dir, name, what);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fwrite(text.ptr, 1, text.len, f);
    fclose(f);
}

static int make_files(void **state)
{
    static const char *const names[] = {"ca", "server", "client", "stranger"};
    if (!mkdtemp(dir))
        return -1;
    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++) {
        write_file(names[i], "pem", kit_cert(names[i])->cert_pem);
        write_file(names[i], "key", kit_cert(names[i])->key_pem);
    }
    return 0;
}

static int remove_files(void **state)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

static int listen_any(unsigned *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0 && listen(fd, 8) == 0);
    getsockname(fd, (struct sockaddr *)&a, &n);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

/* Runs a shell command in the directory, with stdout and stderr in the file "said". */
static pid_t begin(const char *format, unsigned port, const char *options)
{
    char command[2048], old[128];
    snprintf(old, sizeof(old), "%s/said", dir);
    unlink(old); /* or the one that waits for an answer would see the last connection's */
    pid_t pid = fork();
    if (pid)
        return pid;
    snprintf(command, sizeof(command), "cd %s && %s localhost:%u %s > said 2>&1", dir, format, port, options);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static const char *said(void)
{
    static char text[1 << 16];
    char path[128];
    snprintf(path, sizeof(path), "%s/said", dir);
    FILE *f = fopen(path, "r");
    text[f ? fread(text, 1, sizeof(text) - 1, f) : 0] = 0;
    if (f)
        fclose(f);
    return text;
}

static bool has_line(const char *line)
{
    return strstr(said(), line) != NULL;
}

static void send_out(int fd, struct kit_side *s)
{
    while (s->net_out.len) {
        struct sp_str front = sp_buf_front(&s->net_out);
        ssize_t n = send(fd, front.ptr, front.len, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        sp_buf_drain(&s->net_out, (size_t)n);
    }
}

/* Pumps until the peer closes, or until `until` has arrived; every line "echo X" is answered with "X". */
static void serve(int fd, struct kit_side *s, const char *until)
{
    char bytes[16384], text[4096] = "";
    time_t end = time(NULL) + DEADLINE_S;
    bool answered = false;
    for (;;) {
        s->state = sp_tls_pump(s->tls, &s->net_in, &s->app_in, &s->app_out, &s->net_out, 65536);
        if (s->app_in.len) {
            size_t n = strlen(text), room = sizeof(text) - 1 - n;
            n += sp_buf_peek(&s->app_in, text + n, room);
            text[n] = 0;
            sp_buf_clear(&s->app_in);
        }
        if (!answered && strstr(text, "ping")) {
            kit_say(s, "pong\n");
            answered = true;
            continue;
        }
        send_out(fd, s);
        if (s->state == SP_TLS_FAILED || s->state == SP_TLS_CLOSED || (until && strstr(text, until)))
            return;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 1000) == 0 && time(NULL) > end)
            fail_msg("nothing comes; so far: %s", said());
        if (!(p.revents & (POLLIN | POLLHUP | POLLERR)))
            continue;
        ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
        if (n <= 0) {
            s->state = sp_tls_eof(s->tls);
            return;
        }
        sp_buf_append(&s->net_in, bytes, (size_t)n);
    }
}

struct ended {
    enum sp_tls_state state;
    char error[256], version[16], cipher[64], alpn[16];
    bool resumed, verified;
};

static void note(struct kit_side *s, struct ended *e)
{
    const struct sp_tls_info *info = sp_tls_get_info(s->tls);
    *e = (struct ended){.state = s->state, .resumed = sp_tls_resumed(s->tls), .verified = info->peer_verified};
    snprintf(e->error, sizeof(e->error), "%s", kit_error(s));
    snprintf(e->version, sizeof(e->version), "%.*s", SP_STR_ARG(info->version));
    snprintf(e->cipher, sizeof(e->cipher), "%.*s", SP_STR_ARG(info->cipher));
    snprintf(e->alpn, sizeof(e->alpn), "%.*s", SP_STR_ARG(info->alpn));
}

static void side_done(int fd, struct kit_side *s)
{
    struct sp_buf *bufs[] = {&s->net_in, &s->app_in, &s->app_out, &s->net_out};
    for (size_t i = 0; i < SP_ARRAY_LEN(bufs); i++)
        sp_buf_clear(bufs[i]);
    sp_tls_free(s->tls);
    close(fd);
}

/* One connection of s_client's, which says `input` (shell words that make its stdin). */
static struct ended visit(struct sp_tls_ctx *ctx, const char *input, const char *options)
{
    unsigned port;
    char command[1024];
    int listener = listen_any(&port), status;
    snprintf(command, sizeof(command), "%s | timeout 60 openssl s_client -CAfile ca.pem -connect", input);
    pid_t pid = begin(command, port, options);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct kit_side s = {.tls = sp_tls_accept(ctx)};
    struct ended e;
    serve(fd, &s, NULL);
    if (s.state == SP_TLS_CLOSED) {
        sp_tls_shutdown(s.tls, &s.net_out);
        send_out(fd, &s);
    }
    note(&s, &e);
    side_done(fd, &s);
    waitpid(pid, &status, 0);
    close(listener);
    return e;
}

/*
 * s_client leaves at the end of its input, so that this must not come before the answer has, however slow the machine
 * is: `w TEXT [N]` waits until s_client has said it N times.
 */
#define WAIT \
    "w() { n=0; until [ \"$(grep -cE \"$1\" said 2>/dev/null || true)\" -ge \"${2:-1}\" ] 2>/dev/null || [ $n = 500 ]; do " \
    "n=$((n+1)); sleep 0.1; done; }; "
#define PING "(" WAIT "echo ping; w 'pong|:error:|errno=')"

static void s_client_is_served(void **state)
{
    static const struct {
        const char *options, *version, *cipher, *alpn;
    } cases[] = {
        {"-servername localhost -verify_return_error -alpn h2,http/1.1", "TLSv1.3", "TLS_AES_128_GCM_SHA256", "h2"},
        {"-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256", "TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256", ""},
        {"-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384 -groups P-384", "TLSv1.3", "TLS_AES_256_GCM_SHA384", ""},
        {"-tls1_3 -groups P-521:P-256", "TLSv1.3", "TLS_AES_128_GCM_SHA256", ""}, /* a HelloRetryRequest */
        {"-tls1_2 -alpn http/1.1", "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", "http/1.1"},
        {"-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305", "TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305", ""},
        {"-noservername -status", "TLSv1.3", "TLS_AES_128_GCM_SHA256", ""},
    };
    struct sp_tls_ctx *ctx = kit_server(KIT_SERVER);
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct ended e = visit(ctx, PING, cases[i].options);
        if (e.error[0] || e.state != SP_TLS_CLOSED || !has_line("pong") || !has_line("Verify return code: 0 (ok)") ||
            strcmp(e.version, cases[i].version) != 0 || strcmp(e.cipher, cases[i].cipher) != 0 ||
            strcmp(e.alpn, cases[i].alpn) != 0)
            fail_msg("%s: state %d, \"%s\", %s, %s, %s:\n%s", cases[i].options, e.state, e.error, e.version, e.cipher, e.alpn, said());
        if (strcmp(cases[i].version, "TLSv1.2") == 0) /* TLS 1.3 has none; OpenSSL 3 refuses those that do not say so */
            assert_true(has_line("Secure Renegotiation IS supported"));
    }
    sp_tls_ctx_unref(ctx);
}

static void s_client_is_refused(void **state)
{
    static const struct {
        const char *options, *error;
    } cases[] = {
        {"-tls1_1 -cipher ALL:@SECLEVEL=0", "TLS error: no version of TLS is common"},
        {"-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", "TLS error: no cipher, signature algorithm or group is common"},
        {"-tls1_3 -groups P-521", "TLS error: no group is common"},
        {"-tls1_3 -sigalgs RSA-PSS+SHA256", "TLS error: no cipher, signature algorithm or group is common"},
    };
    struct sp_tls_ctx *ctx = kit_server(KIT_SERVER);
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct ended e = visit(ctx, PING, cases[i].options);
        if (strcmp(e.error, cases[i].error) != 0)
            fail_msg("%s: \"%s\"\n%s", cases[i].options, e.error, said());
        assert_false(has_line("pong"));
    }
    sp_tls_ctx_unref(ctx);
}

#define MTLS(need) \
    "common_tls_context: {tls_certificates: [" KIT_CERT "], validation_context: {" KIT_CA "}}\nrequire_client_certificate: " \
    need "\n"

static void client_certificates(void **state)
{
    static const struct {
        const char *need, *options, *error;
        bool verified;
    } cases[] = {
        {"true", "-cert client.pem -key client.key", "", true},
        {"true", "-cert client.pem -key client.key -tls1_2", "", true},
        {"true", "", "TLS error: peer did not return a certificate", false},
        {"true", "-tls1_2", "TLS error: peer did not return a certificate", false},
        {"false", "", "", false},
        {"false", "-tls1_2", "", false},
        {"false", "-cert stranger.pem -key stranger.key",
         "TLS error: certificate verification failed at depth 0: unable to get local issuer certificate", false},
        {"true", "-cert server.pem -key server.key",
         "TLS error: certificate verification failed at depth 0: unsuitable certificate purpose", false},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_tls_ctx *ctx = kit_server(cases[i].need[0] == 't' ? MTLS("true") : MTLS("false"));
        struct ended e = visit(ctx, PING, cases[i].options);
        if (strcmp(e.error, cases[i].error) != 0 || e.verified != cases[i].verified)
            fail_msg("%s: \"%s\"\n%s", cases[i].options, e.error, said());
        assert_int_equal(has_line("pong"), !cases[i].error[0]);
        if (!cases[i].error[0] && !has_line("Acceptable client certificate CA names\nCN = the CA\n"))
            fail_msg("%s: no names of CAs\n%s", cases[i].options, said());
        sp_tls_ctx_unref(ctx);
    }
}

static void tickets(void **state)
{
    static const char *const versions[] = {"-tls1_3", "-tls1_2"};
    struct sp_tls_ctx *ctx = kit_server(KIT_SERVER), *none = kit_server(MTLS("false"));
    for (size_t i = 0; i < SP_ARRAY_LEN(versions); i++) {
        char options[128];
        snprintf(options, sizeof(options), "%s -servername localhost -sess_out session", versions[i]);
        assert_false(visit(ctx, PING, options).resumed);
        snprintf(options, sizeof(options), "%s -servername localhost -sess_in session", versions[i]);
        struct ended e = visit(ctx, PING, options);
        assert_true(e.resumed && has_line("Reused") && has_line("pong"));
        /* Not under another name, and not where a certificate is asked for. */
        snprintf(options, sizeof(options), "%s -servername www.example.com -sess_in session", versions[i]);
        e = visit(ctx, PING, options);
        if (e.resumed || !has_line("pong"))
            fail_msg("%s: \"%s\"\n%s", options, e.error, said());
        snprintf(options, sizeof(options), "%s -servername localhost -sess_in session", versions[i]);
        e = visit(none, PING, options);
        assert_true(!e.resumed && has_line("pong"));
    }
    sp_tls_ctx_unref(ctx);
    sp_tls_ctx_unref(none);
}

static void shell(const char *script)
{
    char command[4096];
    snprintf(command, sizeof(command), "cd %s && { %s; } > said 2>&1", dir, script);
    if (system(command) != 0)
        fail_msg("%s\n%s", script, said());
}

/* A server with an RSA and an ECDSA certificate shows each client the one it can verify. */
static void two_kinds_of_certificate(void **state)
{
    static const struct {
        const char *options, *key;
    } cases[] = {
        {"", "ec"},
        {"-sigalgs RSA-PSS+SHA256", "rsa"},
        {"-sigalgs ECDSA+SHA256", "ec"},
        {"-tls1_2", "ec"},
        {"-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", "rsa"},
        {"-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", "ec"},
        {"-tls1_2 -sigalgs RSA+SHA256", "rsa"},
    };
    char yaml[1024];
    shell("openssl genrsa -out rsa.key 2048 && openssl rsa -in rsa.key -pubout -out rsa.pub && openssl x509 -new -subj /CN=rsa "
          "-force_pubkey rsa.pub -CA ca.pem -CAkey ca.key -days 2 -out rsa.pem");
    snprintf(yaml, sizeof(yaml), "common_tls_context: {tls_certificates: [{certificate_chain: {filename: %s/rsa.pem}, private_key: "
                                 "{filename: %s/rsa.key}}, " KIT_CERT "]}\n", dir, dir);
    struct sp_tls_ctx *ctx = kit_server(yaml);
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct ended e = visit(ctx, PING, cases[i].options);
        bool rsa = has_line("Peer signature type: RSA");
        if (e.error[0] || !has_line("pong") || rsa != (cases[i].key[0] == 'r'))
            fail_msg("%s: \"%s\"\n%s", cases[i].options, e.error, said());
    }
    sp_tls_ctx_unref(ctx);
}

static void revoked_clients(void **state)
{
    static const struct {
        const char *crl, *error;
    } cases[] = {
        {"empty", ""},
        {"revoked", "TLS error: certificate verification failed at depth 0: certificate revoked"},
        {"stale", "TLS error: certificate verification failed at depth 0: CRL has expired"},
    };
    shell("printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=10\n' > ca.conf; "
          ": > index; echo 01 > number; CA='openssl ca -config ca.conf -keyfile ca.key -cert ca.pem'; "
          "$CA -gencrl -out empty.crl && $CA -gencrl -crl_lastupdate 200101000000Z -crl_nextupdate 200201000000Z -out stale.crl && "
          "$CA -revoke client.pem && $CA -gencrl -out revoked.crl");
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        char yaml[1024];
        snprintf(yaml, sizeof(yaml), "common_tls_context: {tls_certificates: [" KIT_CERT "], validation_context: {" KIT_CA
                                     ", crl: {filename: %s/%s.crl}}}\nrequire_client_certificate: true\n", dir, cases[i].crl);
        struct sp_tls_ctx *ctx = kit_server(yaml);
        struct ended e = visit(ctx, PING, "-cert client.pem -key client.key");
        if (strcmp(e.error, cases[i].error) != 0)
            fail_msg("%s: \"%s\"\n%s", cases[i].crl, e.error, said());
        assert_int_equal(has_line("pong"), !cases[i].error[0]);
        sp_tls_ctx_unref(ctx);
    }
}

/* "R" makes s_client ask for a renegotiation. */
static void renegotiation_is_refused(void **state)
{
    struct sp_tls_ctx *ctx = kit_server(KIT_SERVER);
    struct ended e = visit(ctx, "(" WAIT "w 'Verify return'; echo R; w RENEGOTIATING; echo ping; w 'pong|:error:|errno=')", "-tls1_2");
    assert_int_equal(e.state, SP_TLS_FAILED);
    assert_false(has_line("pong"));
    sp_tls_ctx_unref(ctx);
}

/* "K" makes it change its keys and ask us to do so. */
static void key_updates_are_answered(void **state)
{
    struct sp_tls_ctx *ctx = kit_server(KIT_SERVER);
    struct ended e = visit(ctx, "(" WAIT "w 'Verify return'; echo K; w KEYUPDATE; echo k; w KEYUPDATE 2; echo ping; w pong)",
                           "-tls1_3");
    assert_string_equal(e.error, "");
    assert_true(has_line("pong"));
    sp_tls_ctx_unref(ctx);
}

/* One connection to an s_server that echoes lines backwards (-rev). */
static struct ended call(struct sp_tls_ctx *ctx, unsigned port, const char *name)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    for (unsigned i = 0; connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0; i++) {
        if (i == 1000)
            fail_msg("cannot connect: %s\n%s", strerror(errno), said());
        usleep(50000);
    }
    struct kit_side s = {.tls = sp_tls_connect(ctx, sp_str_c(name), sp_str_c(name))};
    struct ended e;
    kit_say(&s, "sesame open\n");
    serve(fd, &s, "nepo emases");
    note(&s, &e);
    sp_tls_shutdown(s.tls, &s.net_out);
    send_out(fd, &s);
    side_done(fd, &s);
    return e;
}

static unsigned free_port(void)
{
    unsigned port;
    close(listen_any(&port));
    return port;
}

static void s_server_is_called(void **state)
{
    static const struct {
        const char *options, *name, *version, *error;
        bool resumes;
    } cases[] = {
        {"-alpn http/1.1,h2", "localhost", "TLSv1.3", "", true},
        {"-alpn h2 -num_tickets 5", "www.example.com", "TLSv1.3", "", true},
        {"-tls1_2", "localhost", "TLSv1.2", "", true},
        {"-tls1_2 -no_ticket", "localhost", "TLSv1.2", "", true},
        {"-tls1_2 -no_ticket -no_cache", "localhost", "TLSv1.2", "", false},
        {"-groups P-384", "localhost", "TLSv1.3", "", true},
        {"-Verify 2 -verify_return_error -CAfile ca.pem", "localhost", "TLSv1.3", "", true},
        {"-tls1_2 -Verify 2 -verify_return_error -CAfile ca.pem", "localhost", "TLSv1.2", "", true},
        {"", "elsewhere.test", "", "TLS error: certificate verification failed: none of its names is one that is accepted",
         false},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_tls_ctx *ctx =
            kit_client("common_tls_context: {validation_context: {" KIT_CA "}, alpn_protocols: [h2], tls_certificates: "
                       "[{certificate_chain: @client.cert, private_key: @client.key}]}\n");
        unsigned port = free_port();
        int status;
        pid_t pid = begin("exec timeout 100 openssl s_server -cert server.pem -key server.key -rev -accept", port, cases[i].options);
        for (unsigned k = 0; k < 3; k++) {
            struct ended e = call(ctx, port, cases[i].name);
            if (strcmp(e.error, cases[i].error) != 0 || strcmp(e.version, cases[i].version) != 0)
                fail_msg("%s: \"%s\", %s\n%s", cases[i].options, e.error, e.version, said());
            if (e.resumed != (k > 0 && cases[i].resumes))
                fail_msg("%s: call %u %s", cases[i].options, k, e.resumed ? "resumed" : "did not resume");
            assert_int_equal(e.verified, !cases[i].error[0]);
        }
        kill(pid, SIGTERM);
        waitpid(pid, &status, 0);
        sp_tls_ctx_unref(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(s_client_is_served),  cmocka_unit_test(s_client_is_refused),
        cmocka_unit_test(client_certificates), cmocka_unit_test(tickets),
        cmocka_unit_test(two_kinds_of_certificate), cmocka_unit_test(revoked_clients),
        cmocka_unit_test(renegotiation_is_refused), cmocka_unit_test(key_updates_are_answered),
        cmocka_unit_test(s_server_is_called),
    };
    sp_tls_global_init();
    int r = cmocka_run_group_tests(tests, make_files, remove_files);
    sp_tls_global_done();
    return r;
}
