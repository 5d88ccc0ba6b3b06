/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_ticket_keys.h"

#include <assert.h>
#include <stdlib.h>

#include <wolfssl/wolfcrypt/aes.h>

#include "base/mem.h"
#include "config/keep.h"
#include "config/live.h"
#include "config/secret.h"
#include "crypto/ct.h"
#include "crypto/hash.h"

typedef Envoy__Extensions__TransportSockets__Tls__V3__TlsSessionTicketKeys Message;
typedef Envoy__Config__Core__V3__DataSource Source;

enum { NAME = 16, MAC = 32, AES_KEY = 32, ID = 8, BLOCK = 16, SEALED_MAX = 1024 };

struct key {
    uint8_t id[ID]; /* what tickets call it by */
    uint8_t mac[MAC], aes[AES_KEY];
};

struct keys {
    unsigned n;
    struct key v[];
};

struct sp_tls_ticket_keys {
    struct sp_kept kept;
    struct sp_arena arena;
    const struct sp_doc *doc; /* while it is compiled */
    const Source **sources;
    unsigned n;
    struct keys *fixed; /* or: */
    struct sp_live_set *set;
    struct sp_live *live;
};

static struct sp_str bytes(const void *p, size_t n)
{
    return sp_str_n(p, n);
}

/* Of the whole key, so that two which were given one name by mistake are told apart. */
static void key_init(struct key *k, const uint8_t raw[SP_TICKET_KEY_BYTES])
{
    uint8_t digest[32];
    memcpy(k->mac, raw + NAME, MAC);
    memcpy(k->aes, raw + NAME + MAC, AES_KEY);
    sp_hmac_sha256(bytes(k->mac, MAC), bytes(raw, NAME), digest);
    memcpy(k->id, digest, ID);
}

static void unload(void *value)
{
    struct keys *k = value;
    if (!k)
        return;
    sp_wipe(k, sizeof(*k) + k->n * sizeof(k->v[0]));
    free(k);
}

static void *load(void *ctx, const void *old, struct sp_diag *diag)
{
    const struct sp_tls_ticket_keys *t = ctx;
    struct keys *k = sp_xcalloc(1, sizeof(*k) + t->n * sizeof(k->v[0]));
    (void)old;
    for (; k->n < t->n; k->n++) {
        const Source *source = t->sources[k->n];
        struct sp_secret raw = {0};
        if (sp_secret_read(t->doc, diag, source, t->live ? SP_SECRET_LIVE : 0, &raw) < 0)
            break;
        bool good = raw.len == SP_TICKET_KEY_BYTES;
        if (good)
            key_init(&k->v[k->n], (const uint8_t *)raw.ptr);
        else
            sp_source_err(t->doc, diag, source, NULL,
                          "has %zu bytes, and a session ticket key has 80 (openssl rand -out FILE 80 makes one)", raw.len);
        sp_secret_done(&raw);
        if (!good)
            break;
    }
    if (k->n == t->n)
        return k;
    unload(k);
    return NULL;
}

static const struct sp_live_kind kind = {.name = "session ticket keys", .load = load, .free = unload};

static void give_back(void *owner)
{
    struct sp_tls_ticket_keys *t = owner;
    unload(t->fixed);
    sp_arena_done_wipe(&t->arena); /* keys that the config has inline are copied there */
    free(t);
}

/* What it watches may be in use by a document for a little longer. */
static void last_unref(struct sp_kept *k)
{
    struct sp_tls_ticket_keys *t = SP_CONTAINER_OF(k, struct sp_tls_ticket_keys, kept);
    if (t->set)
        sp_live_set_unref(t->set);
    else
        give_back(t);
}

static const struct sp_kept_kind kept_kind = {"session ticket keys", last_unref};

static bool any_file(const Message *msg)
{
    for (size_t i = 0; i < msg->n_keys; i++)
        if (msg->keys[i]->specifier_case == ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME)
            return true;
    return false;
}

/* Before the first load, so that no change is missed. */
static void watch(struct sp_tls_ticket_keys *t)
{
    t->set = sp_live_set_new_kept(give_back, t);
    sp_live_set_files(t->set, sp_doc_files(t->doc));
    t->live = sp_live_new(t->set, &kind, SP_STR("session ticket keys"), t, NULL);
    for (unsigned i = 0; i < t->n; i++)
        sp_secret_watch(t->live, t->sources[i]);
}

static bool compile(struct sp_tls_ticket_keys *t, struct sp_diag *diag, const Message *msg)
{
    t->n = (unsigned)msg->n_keys;
    t->sources = sp_arena_alloc(&t->arena, t->n * sizeof(*t->sources));
    for (unsigned i = 0; i < t->n; i++)
        t->sources[i] = msg->keys[i];
    if (any_file(msg))
        watch(t);
    struct keys *value = load(t, NULL, diag);
    if (!value)
        return false;
    if (t->live)
        sp_live_publish(t->live, value);
    else
        t->fixed = value;
    /* From now on it is its own. */
    for (unsigned i = 0; i < t->n; i++)
        t->sources[i] = sp_source_copy(&t->arena, t->sources[i]);
    t->doc = NULL;
    if (t->set)
        sp_live_set_files(t->set, NULL);
    return true;
}

struct sp_tls_ticket_keys *sp_tls_ticket_keys_new(const struct sp_doc *doc, struct sp_diag *diag, const Message *msg)
{
    assert(doc && diag && msg);
    struct sp_hash key;
    if (msg->n_keys == 0) /* a rule says so already */
        return NULL;
    if (msg->n_keys > SP_TICKET_KEYS_MAX) {
        sp_doc_err(doc, diag, msg, "keys", SP_TICKET_KEYS_MAX, "is one too many (at most %d: the one that seals and those before it)",
                   SP_TICKET_KEYS_MAX);
        return NULL;
    }
    sp_doc_hash_text(doc, msg, NULL, &key);
    struct sp_kept *k = sp_keep_find(&kept_kind, &key);
    struct sp_tls_ticket_keys *t = k ? SP_CONTAINER_OF(k, struct sp_tls_ticket_keys, kept) : NULL;
    if (!t) {
        t = sp_xcalloc(1, sizeof(*t));
        sp_kept_init(&t->kept, &kept_kind);
        sp_arena_init(&t->arena);
        t->doc = doc;
        if (!compile(t, diag, msg)) {
            sp_kept_unref(&t->kept);
            return NULL;
        }
        sp_keep_add(&t->kept, &kept_kind, &key);
    }
    sp_tls_ticket_keys_use(t, doc);
    return t;
}

void sp_tls_ticket_keys_use(const struct sp_tls_ticket_keys *t, const struct sp_doc *doc)
{
    assert(t && doc);
    if (t->set)
        sp_live_set_use(sp_doc_live(doc), t->set);
}

void sp_tls_ticket_keys_free(struct sp_tls_ticket_keys *t)
{
    if (t)
        sp_kept_unref(&t->kept);
}

/* ---- sealing: AES-256-CBC, then HMAC-SHA256 over all that is sent and all that it is bound to (RFC 5077 section 4) ---- */

static const struct keys *now(const struct sp_tls_ticket_keys *t)
{
    return t->live ? sp_live_get(t->live) : t->fixed;
}

static bool mac_of(const struct key *k, const uint8_t context[SP_TICKET_CONTEXT], struct sp_str binding,
                   const struct sp_ticket_parts *t, size_t n, uint8_t out[MAC])
{
    uint8_t text[SP_TICKET_CONTEXT + 2 + SP_TICKET_NAME + SP_TICKET_IV + SEALED_MAX + SP_TICKET_BINDING_MAX], *p = text;
    if (n > SEALED_MAX || binding.len > SP_TICKET_BINDING_MAX)
        return false;
    memcpy(p, context, SP_TICKET_CONTEXT);
    p += SP_TICKET_CONTEXT;
    *p++ = (uint8_t)(n >> 8);
    *p++ = (uint8_t)n;
    memcpy(p, t->name, SP_TICKET_NAME);
    memcpy(p += SP_TICKET_NAME, t->iv, SP_TICKET_IV);
    memcpy(p += SP_TICKET_IV, t->p, n);
    p += n;
    if (binding.len)
        memcpy(p, binding.ptr, binding.len);
    sp_hmac_sha256(bytes(k->mac, MAC), bytes(text, (size_t)(p - text) + binding.len), out);
    return true;
}

static bool cbc(const struct key *k, const struct sp_ticket_parts *t, size_t n, bool encrypt)
{
    Aes aes;
    if (wc_AesInit(&aes, NULL, INVALID_DEVID) != 0)
        return false;
    bool good = wc_AesSetKey(&aes, k->aes, AES_KEY, t->iv, encrypt ? AES_ENCRYPTION : AES_DECRYPTION) == 0 &&
                (encrypt ? wc_AesCbcEncrypt : wc_AesCbcDecrypt)(&aes, t->p, t->p, (word32)n) == 0;
    wc_AesFree(&aes);
    return good;
}

bool sp_tls_ticket_keys_seal(const struct sp_tls_ticket_keys *keys, uint64_t now_s, const uint8_t context[SP_TICKET_CONTEXT],
                             struct sp_str binding, const struct sp_ticket_parts *t, size_t *ret_n)
{
    assert(keys && t && t->n && ret_n);
    const struct key *k = &now(keys)->v[0];
    size_t pad = BLOCK - t->n % BLOCK, n = t->n + pad;
    if (n > t->size)
        return false;
    memcpy(t->name, k->id, ID);
    sp_ticket_put_time(t->name + ID, now_s);
    sp_random_bytes(t->iv, SP_TICKET_IV);
    memset(t->p + t->n, (int)pad, pad);
    if (!cbc(k, t, n, true) || !mac_of(k, context, binding, t, n, t->mac))
        return false;
    *ret_n = n;
    return true;
}

bool sp_tls_ticket_keys_open(const struct sp_tls_ticket_keys *keys, const uint8_t context[SP_TICKET_CONTEXT], struct sp_str binding,
                             const struct sp_ticket_parts *t, size_t *ret_n, uint64_t *ret_issued_s)
{
    assert(keys && t && ret_n && ret_issued_s);
    const struct keys *all = now(keys);
    const struct key *k = NULL;
    uint8_t mac[MAC];
    for (unsigned i = 0; i < all->n && !k; i++)
        if (memcmp(all->v[i].id, t->name, ID) == 0)
            k = &all->v[i];
    if (!k || t->n < BLOCK || t->n % BLOCK || !mac_of(k, context, binding, t, t->n, mac) ||
        !sp_ct_eq(bytes(mac, MAC), bytes(t->mac, MAC)) || !cbc(k, t, t->n, false))
        return false;
    size_t pad = t->p[t->n - 1];
    if (pad == 0 || pad > BLOCK)
        return false;
    *ret_n = t->n - pad;
    *ret_issued_s = sp_ticket_get_time(t->name + ID);
    return true;
}
