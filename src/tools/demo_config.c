/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/demo_config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "crypto/cert_gen.h"
#include "crypto/ct.h"
#include "crypto/hash.h"
#include "crypto/jws_sign.h"

/* {DIR}, {DOOR}, {ORIGIN} and {ADMIN} are filled in. This is an ordinary config: copy it, and put your own names in. */
static const char config_yaml[] =
    "# The door that `sallyport demo` runs. An ordinary config: sallyport -c this-file serves it too.\n"
    "admin:\n"
    "  address: {socket_address: {address: 127.0.0.1, port_value: {ADMIN}}}\n"
    "static_resources:\n"
    "  listeners:\n"
    "  - name: door\n"
    "    address: {socket_address: {address: 127.0.0.1, port_value: {DOOR}}}\n"
    "    filter_chains:\n"
    "    - transport_socket:\n"
    "        name: tls\n"
    "        typed_config:\n"
    "          \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext\n"
    "          common_tls_context:\n"
    "            alpn_protocols: [h2, http/1.1]\n"
    "            tls_certificates:\n"
    "            - certificate_chain: {filename: {DIR}/door.pem}\n"
    "              private_key: {filename: {DIR}/door.key}\n"
    "      filters:\n"
    "      - name: http\n"
    "        typed_config:\n"
    "          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n"
    "          stat_prefix: door\n"
    "          use_remote_address: true\n"
    "          normalize_path: true\n"
    "          merge_slashes: true\n"
    "          access_log:\n"
    "          - name: stdout\n"
    "            typed_config:\n"
    "              \"@type\": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog\n"
    "              log_format:\n"
    "                text_format_source:\n"
    "                  inline_string: \"[%START_TIME(%H:%M:%S)%] %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% %REQ(:METHOD)% "
    "%REQ(:PATH)% %PROTOCOL% -> %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %DURATION%ms\\n\"\n"
    "          http_filters:\n"
    "          # Gates: nobody gets as far as a route who does not come by the CDN.\n"
    "          - name: cdn_addresses\n"
    "            typed_config:\n"
    "              \"@type\": type.googleapis.com/sallyport.filters.http.ip_restriction.v1.IpRestriction\n"
    "              source: SOCKET\n"
    "              allow: [\"127.0.0.1\"]\n"
    "          - name: origin_shield\n"
    "            typed_config:\n"
    "              \"@type\": type.googleapis.com/sallyport.filters.http.origin_shield.v1.OriginShield\n"
    "              proof:\n"
    "                secret_header:\n"
    "                  name: x-origin-verify\n"
    "                  secrets:\n"
    "                  - {name: demo, value: {filename: {DIR}/origin-secret}}\n"
    "          # Filters: who is calling?\n"
    "          - name: jwt\n"
    "            typed_config:\n"
    "              \"@type\": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication\n"
    "              providers:\n"
    "                demo:\n"
    "                  issuer: https://issuer.demo\n"
    "                  audiences: [sallyport-demo]\n"
    "                  local_jwks: {filename: {DIR}/jwks.json}\n"
    "                  claim_to_headers: [{header_name: x-user, claim_name: sub}]\n"
    "              rules:\n"
    "              - match: {prefix: /}\n"
    "                requires: {provider_name: demo}\n"
    "          - name: router\n"
    "            typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}\n"
    "          route_config:\n"
    "            name: demo\n"
    "            virtual_hosts:\n"
    "            - name: all\n"
    "              domains: [\"*\"]\n"
    "              routes:\n"
    "              - match: {path_separated_prefix: /hello}\n"
    "                route: {cluster: origin}\n"
    "  clusters:\n"
    "  - name: origin\n"
    "    type: STATIC\n"
    "    connect_timeout: 2s\n"
    "    load_assignment:\n"
    "      cluster_name: origin\n"
    "      endpoints:\n"
    "      - lb_endpoints:\n"
    "        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: {ORIGIN}}}}\n"
    "    transport_socket:\n"
    "      name: tls\n"
    "      typed_config:\n"
    "        \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\n"
    "        sni: origin.demo\n"
    "        common_tls_context:\n"
    "          tls_certificates:\n"
    "          - certificate_chain: {filename: {DIR}/client.pem}\n"
    "            private_key: {filename: {DIR}/client.key}\n"
    "          validation_context:\n"
    "            trusted_ca: {filename: {DIR}/ca.pem}\n"
    "            match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: origin.demo}}]\n";

static const char *const names[] = {"ca.pem",    "door.pem",      "door.key",     "origin.pem",    "origin.key",
                                    "client.pem", "client.key",   "origin-secret", "jwks.json",    "token",
                                    "secret.header", "wrong-secret.header", "token.header", "sallyport.yaml"};

static int write_file(const struct sp_demo_files *f, const char *name, struct sp_str text)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, text.ptr, text.len) == (ssize_t)text.len;
    if (!ok)
        fprintf(stderr, "sallyport demo: cannot write %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return ok ? 0 : -1;
}

static int write_config(const struct sp_demo_files *f)
{
    size_t size = sizeof(config_yaml) + 64 * sizeof(f->dir), n = 0;
    char *out = sp_xmalloc(size), number[16];
    for (const char *p = config_yaml; *p;) {
        const struct {
            const char *mark;
            unsigned port;
        } marks[] = {{"{DIR}", 0}, {"{DOOR}", f->door}, {"{ORIGIN}", f->origin}, {"{ADMIN}", f->admin}};
        const char *with = NULL;
        for (size_t i = 0; i < SP_ARRAY_LEN(marks) && !with; i++) {
            if (strncmp(p, marks[i].mark, strlen(marks[i].mark)) != 0)
                continue;
            snprintf(number, sizeof(number), "%u", marks[i].port);
            with = marks[i].port ? number : f->dir;
            p += strlen(marks[i].mark);
        }
        assert(n + sizeof(f->dir) < size);
        if (with)
            n += (size_t)snprintf(out + n, size - n, "%s", with);
        else
            out[n++] = *p++;
    }
    int r = write_file(f, "sallyport.yaml", sp_str_n(out, n));
    free(out);
    return r;
}

static int write_tokens(const struct sp_demo_files *f, struct sp_arena *a)
{
    uint8_t random[32];
    sp_random_bytes(random, sizeof(random));
    struct sp_str secret = sp_base64_encode(a, SP_BASE64URL_NOPAD, sp_str_n((const char *)random, sizeof(random)));
    struct sp_signer *signer = sp_signer_new(SP_STR("demo"));
    if (!signer)
        return -1;
    long long now = time(NULL);
    struct sp_str claims = sp_arena_printf(a,
                                           "{\"iss\":\"https://issuer.demo\",\"aud\":\"sallyport-demo\",\"sub\":\"alice\","
                                           "\"iat\":%lld,\"exp\":%lld}",
                                           now, now + 86400);
    struct sp_str jwks = sp_signer_jwks(signer, a), token = sp_signer_sign(signer, claims, a);
    sp_signer_free(signer);
    int r = token.len ? 0 : -1;
    r |= write_file(f, "origin-secret", secret);
    r |= write_file(f, "secret.header", sp_arena_cat(a, SP_STR("x-origin-verify: "), secret));
    r |= write_file(f, "wrong-secret.header", SP_STR("x-origin-verify: not-the-secret-of-this-origin"));
    r |= write_file(f, "jwks.json", jwks);
    r |= write_file(f, "token", token);
    r |= write_file(f, "token.header", sp_arena_cat(a, SP_STR("authorization: Bearer "), token));
    return r;
}

struct made {
    struct sp_cert_request request;
    const char *cert, *key; /* file names */
};

static int write_certs(const struct sp_demo_files *f, struct sp_arena *a)
{
    static const char *const door_dns[] = {"localhost", "door.demo", NULL}, *const door_ip[] = {"127.0.0.1", NULL};
    static const char *const origin_dns[] = {"origin.demo", NULL};
    static const struct made leaves[] = {
        {{.common_name = "door.demo", .dns = door_dns, .ip = door_ip, .server = true}, "door.pem", "door.key"},
        {{.common_name = "origin.demo", .dns = origin_dns, .server = true}, "origin.pem", "origin.key"},
        {{.common_name = "door", .client = true}, "client.pem", "client.key"},
    };
    struct sp_cert_request ca_request = {.common_name = "sallyport demo CA", .is_ca = true};
    struct sp_made_cert ca, leaf;
    int r = sp_cert_make(&ca_request, NULL, a, &ca);
    if (r == 0)
        r = write_file(f, "ca.pem", ca.cert_pem);
    for (size_t i = 0; r == 0 && i < SP_ARRAY_LEN(leaves); i++) {
        r = sp_cert_make(&leaves[i].request, &ca, a, &leaf);
        if (r == 0)
            r = write_file(f, leaves[i].cert, leaf.cert_pem) | write_file(f, leaves[i].key, leaf.key_pem);
    }
    if (r < 0)
        fprintf(stderr, "sallyport demo: cannot make certificates (%s)\n", strerror(-r));
    return r;
}

int sp_demo_files_make(struct sp_demo_files *f)
{
    assert(f && f->door && f->origin && f->admin);
    struct sp_arena a;
    snprintf(f->dir, sizeof(f->dir), "/tmp/sallyport-demo-XXXXXX");
    if (!mkdtemp(f->dir)) {
        fprintf(stderr, "sallyport demo: cannot make a directory in /tmp: %s\n", strerror(errno));
        return -1;
    }
    sp_arena_init(&a);
    int r = write_certs(f, &a);
    if (r == 0)
        r = write_tokens(f, &a);
    if (r == 0)
        r = write_config(f);
    sp_arena_done_wipe(&a);
    if (r < 0)
        sp_demo_files_remove(f);
    return r < 0 ? -1 : 0;
}

void sp_demo_files_remove(const struct sp_demo_files *f)
{
    assert(f);
    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++) {
        char path[160];
        snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
        unlink(path);
    }
    rmdir(f->dir);
}
