/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/origin_shield_g2o.h"

#include <assert.h>

#include "base/mem.h"
#include "crypto/ct.h"
#include "crypto/hash.h"
#include "filters/place.h"
#include "route/duration.h"

typedef Sallyport__Filters__Http__OriginShield__V1__AkamaiG2O Message;
typedef Sallyport__Filters__Http__OriginShield__V1__AkamaiG2OKey KeyMessage;

#define PATH_ALONE SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__AKAMAI_G2_OURL__PATH

enum { DEFAULT_WINDOW_S = 30, DEFAULT_CAPACITY = 65536, FIELDS = 6, MAX_EPOCH_BITS = 40 };

/* What the data header says: "version, edge address, client address, epoch, unique id, nonce". */
struct data {
    unsigned version;
    int64_t epoch;
    struct sp_str nonce;
};

static size_t md5_of_both(struct sp_str key, struct sp_str message, struct sp_arena *arena, uint8_t *out)
{
    struct sp_str all = sp_arena_cat(arena, key, message);
    sp_md5(all, out);
    sp_wipe((char *)(uintptr_t)all.ptr, all.len);
    return 16;
}

size_t sp_g2o_sign(unsigned version, struct sp_str key, struct sp_str data, struct sp_str url, struct sp_arena *arena,
                   uint8_t out[SP_G2O_MAX_MAC])
{
    assert(version >= 1 && version <= SP_G2O_VERSIONS && arena && out);
    struct sp_str message = sp_arena_cat(arena, data, url);
    uint8_t inner[16];
    switch (version) {
    case 1:
        return md5_of_both(key, message, arena, out);
    case 2:
        md5_of_both(key, message, arena, inner);
        return md5_of_both(key, sp_str_n((char *)inner, sizeof(inner)), arena, out);
    case 3:
        sp_hmac_md5(key, message, out);
        return 16;
    case 4:
        sp_hmac_sha1(key, message, out);
        return 20;
    default:
        sp_hmac_sha256(key, message, out);
        return 32;
    }
}

static bool parse(struct sp_str text, struct data *ret)
{
    struct sp_str v[FIELDS], rest = text;
    uint64_t version, epoch;
    if (!text.len || text.len > SP_G2O_MAX_DATA)
        return false;
    for (unsigned i = 0; i < FIELDS; i++) {
        if (!sp_str_split(&rest, ',', &v[i]))
            return false;
        v[i] = sp_str_trim(v[i]);
        if (!v[i].len)
            return false;
    }
    if (sp_str_split(&rest, ',', &rest) || sp_str_u64(v[0], SP_G2O_VERSIONS, &version) < 0 || version == 0 ||
        sp_str_u64(v[3], (uint64_t)1 << MAX_EPOCH_BITS, &epoch) < 0)
        return false;
    *ret = (struct data){(unsigned)version, (int64_t)epoch, v[FIELDS - 1]};
    return true;
}

static struct sp_named_secret *find_key(const struct sp_shield_g2o *g, struct sp_str nonce)
{
    for (unsigned i = 0; i < g->n; i++)
        if (sp_str_eq(g->keys[i].name, nonce))
            return &g->keys[i];
    return NULL;
}

static struct sp_str signed_part(const struct sp_shield_g2o *g, struct sp_str url)
{
    ptrdiff_t query = g->path_only ? sp_str_chr(url, '?') : -1;
    return query < 0 ? url : sp_str_sub(url, 0, (size_t)query);
}

enum sp_g2o_result sp_shield_g2o_check(const struct sp_shield_g2o *g, struct sp_str data, struct sp_str sign,
                                       struct sp_str url, int64_t now, struct sp_arena *arena)
{
    assert(g && arena && now >= 0);
    uint8_t mac[SP_G2O_MAX_MAC];
    struct sp_str got;
    struct data d;
    if (!parse(data, &d) || !(g->versions & 1u << d.version) || sp_base64_decode(arena, SP_BASE64, sign, &got) < 0)
        return SP_G2O_BAD;
    struct sp_named_secret *key = find_key(g, d.nonce);
    if (!key)
        return SP_G2O_BAD;
    size_t n = sp_g2o_sign(d.version, sp_named_secret_get(key), data, signed_part(g, url), arena, mac);
    if (!sp_ct_eq(got, sp_str_n((char *)mac, n)))
        return SP_G2O_BAD;
    if (d.epoch < now - g->window_s || d.epoch > now + g->window_s)
        return SP_G2O_TIME;
    switch (sp_replay_set_take(g->seen, got, now, d.epoch + g->window_s)) {
    case SP_REPLAY_FRESH:
        sp_named_secret_hit(key, now);
        return SP_G2O_OK;
    case SP_REPLAY_SEEN:
        return SP_G2O_REPLAY;
    default:
        return SP_G2O_FULL;
    }
}

static bool key_init(const struct sp_named_secret_build *b, const Message *msg, size_t i, struct sp_named_secret *ret)
{
    const KeyMessage *key = msg->keys[i];
    for (size_t j = 0; j < i; j++)
        if (strcmp(msg->keys[j]->nonce, key->nonce) == 0) {
            sp_doc_err(b->doc, b->diag, key, "nonce", -1, "there is a key of nonce '%s' before it (a nonce selects one key)",
                       key->nonce);
            return false;
        }
    struct sp_str nonce = sp_str_c(key->nonce);
    if (!sp_str_eq(sp_str_trim(nonce), nonce) || sp_str_chr(nonce, ',') >= 0) {
        sp_doc_err(b->doc, b->diag, key, "nonce", -1, "no nonce that the header could carry: it has a comma, or space at an end");
        return false;
    }
    return sp_named_secret_init(ret, b, key->nonce, key->secret, key->json_key);
}

bool sp_shield_g2o_init(struct sp_shield_g2o *g, const struct sp_filter_build *build, struct sp_arena *arena,
                        struct sp_stats_scope *scope, const Message *msg)
{
    assert(g && build && arena && scope && msg);
    const struct sp_named_secret_build b = {
        .doc = build->doc, .diag = build->diag, .arena = arena, .scope = scope, .owner = SP_STR("origin_shield akamai_g2o")};
    bool good = true;
    *g = (struct sp_shield_g2o){
        .window_s = (int64_t)(sp_duration_or(msg->window, DEFAULT_WINDOW_S * SP_NS_PER_S) / SP_NS_PER_S),
        .path_only = msg->signed_url == PATH_ALONE,
    };
    for (size_t i = 0; i < msg->n_versions; i++)
        g->versions |= 1u << msg->versions[i];
    if (!msg->n_versions)
        g->versions = 1u << SP_G2O_VERSIONS;
    g->keys = sp_arena_zalloc(arena, msg->n_keys * sizeof(*g->keys));
    for (size_t i = 0; i < msg->n_keys; i++)
        good &= key_init(&b, msg, i, &g->keys[g->n++]);
    struct sp_hash place;
    sp_filter_place(build, "akamai_g2o", NULL, NULL, &place);
    if (good)
        g->seen = sp_replay_set_keep(&place, msg->replay_capacity ? msg->replay_capacity->value : DEFAULT_CAPACITY);
    return good;
}

void sp_shield_g2o_done(struct sp_shield_g2o *g)
{
    sp_replay_set_free(g->seen);
    *g = (struct sp_shield_g2o){0};
}
