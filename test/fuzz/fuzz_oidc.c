/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An issuer's description of itself (OpenID Connect Discovery 1.0, section 3), behind a byte that says what is needed of it.  What is
 * believed is of that issuer, and all that will be asked on account of it is asked over https, of a host that the config names a cluster
 * for, in a line that is one; no algorithm that anybody could sign with.
 */
#include "../unit/filters/fetch_fake.h"
#include "filters/oidc_discovery.h"
#include "head_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SELF "issuer: 'https://i.test/t', cluster: c, hosts: [{host: 'keys.test:8443', cluster: k}, {host: '[2001:db8::1]', cluster: k}]"

static struct sp_oidc *issuer_of(unsigned needs)
{
    static struct sp_jwks_stats stats;
    static struct sp_oidc *all[4];
    static const void *msg; /* in `fake`, which stays */
    if (!msg) {
        sp_stats_init(0);
        atomic_store(&sp_log_threshold, SP_LOG_OFF);
        struct sp_stats_scope *scope = sp_stats_scope(sp_stats_root(), SP_STR("t"), NULL, SP_STR_NULL);
        stats.success = sp_stats_counter(scope, SP_STR("success"));
        stats.failed = sp_stats_counter(scope, SP_STR("failed"));
        msg = fetch_fake_begin(&sallyport__oidc__v1__issuer__descriptor, SELF);
    }
    if (!all[needs])
        all[needs] = sp_oidc_new(&fake.build, msg, needs, SP_STR("x"), &stats);
    CHECK(all[needs]);
    return all[needs];
}

static void check_target(const struct sp_fetch_target *t, bool needed)
{
    CHECK(t->cluster || !needed);
    if (!t->cluster)
        return;
    CHECK(sp_str_eq(t->scheme, SP_STR("https")) && t->timeout_ns);
    CHECK(sp_str_ieq(t->authority, SP_STR("i.test")) || sp_str_ieq(t->authority, SP_STR("keys.test:8443")) ||
          sp_str_ieq(t->authority, SP_STR("[2001:db8::1]")));
    CHECK(t->path.len && t->path.ptr[0] == '/' && sp_header_value_valid(t->path));
    CHECK(sp_str_chr(t->path, ' ') < 0 && sp_str_chr(t->path, '#') < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    unsigned needs = 1 + data[0] % 3;
    const char *why = NULL;
    struct sp_oidc_facts *f = sp_oidc_read(issuer_of(needs), sp_str_n((const char *)data + 1, size - 1), &why);
    CHECK(!f == (why != NULL));
    if (f) {
        check_target(&f->jwks, needs & SP_OIDC_KEYS);
        check_target(&f->introspection, needs & SP_OIDC_INTROSPECTION);
        CHECK(!(f->algs & sp_jws_alg_bit(SP_STR("none"))) && !(f->algs & sp_jws_alg_bit(SP_STR("HS256"))));
    }
    sp_oidc_facts_free(f);
    sp_arena_thread_done();
    return 0;
}
