/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Akamai's signed headers: lines are the data, the signature ("ok" stands for the right one), the URL.  What passes has the right
 * signature of a version that is taken, a time within the window, and does not pass again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/hash.h"
#include "filters/origin_shield_g2o.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1800000000 };

static struct sp_named_secret *make_key(void)
{
    static const struct sp_str text = SP_STR_INIT("0123456789abcdef");
    struct sp_secret *value = sp_xmalloc(sizeof(*value));
    *value = (struct sp_secret){sp_str_dup(text), text.len};
    struct sp_named_secret *key = sp_xcalloc(1, sizeof(*key));
    key->name = SP_STR("n1");
    key->live = sp_live_new(sp_live_set_new(), &sp_named_secret_kind, SP_STR("fuzz"), key, value);
    return key;
}

/* For each version the one that the data ask for may have. */
static bool right(struct sp_str text, struct sp_str sign, struct sp_str url, struct sp_arena *arena)
{
    uint8_t mac[SP_G2O_MAX_MAC];
    for (unsigned version = 1; version <= SP_G2O_VERSIONS; version++) {
        size_t n = sp_g2o_sign(version, SP_STR("0123456789abcdef"), text, url, arena, mac);
        if (sp_str_eq(sp_base64_encode(arena, SP_BASE64, sp_str_n((char *)mac, n)), sign))
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sp_named_secret *key;
    struct sp_str rest = sp_str_n((const char *)data, size), text = SP_STR_NULL, sign = SP_STR_NULL, url = SP_STR_NULL;
    struct sp_arena arena;
    if (!key) {
        sp_stats_init(0);
        key = make_key();
    }
    struct sp_shield_g2o g = {.keys = key, .n = 1, .versions = 0x3e, .window_s = 30, .seen = sp_replay_set_new(1024)};
    sp_arena_init(&arena);
    sp_str_split(&rest, '\n', &text);
    sp_str_split(&rest, '\n', &sign);
    sp_str_split(&rest, '\n', &url);
    g.path_only = sp_str_starts(rest, SP_STR("path"));
    if (sp_str_eq(sign, SP_STR("ok"))) {
        uint8_t mac[SP_G2O_MAX_MAC];
        unsigned version = text.len && text.ptr[0] >= '1' && text.ptr[0] <= '5' ? (unsigned)(text.ptr[0] - '0') : 5;
        ptrdiff_t query = sp_str_chr(url, '?');
        struct sp_str part = g.path_only && query >= 0 ? sp_str_sub(url, 0, (size_t)query) : url;
        size_t n = sp_g2o_sign(version, SP_STR("0123456789abcdef"), text, part, &arena, mac);
        sign = sp_base64_encode(&arena, SP_BASE64, sp_str_n((char *)mac, n));
    }
    if (sp_shield_g2o_check(&g, text, sign, url, NOW, &arena) == SP_G2O_OK) {
        ptrdiff_t query = sp_str_chr(url, '?');
        struct sp_str part = g.path_only && query >= 0 ? sp_str_sub(url, 0, (size_t)query) : url;
        if (!right(text, sign, part, &arena) || sp_shield_g2o_check(&g, text, sign, url, NOW, &arena) != SP_G2O_REPLAY)
            abort();
    }
    sp_arena_done(&arena);
    sp_shield_g2o_done(&g);
    return 0;
}
