/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/htpasswd.h"

#include <assert.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "crypto/ct.h"
#include "crypto/hash.h"

enum { SHA1 = 20, SHA1_BASE64 = 28 };

struct user {
    uint8_t hash[SHA1];
};

struct users {
    struct sp_arena arena;
    struct sp_map by_name;
};

struct owner {
    const struct sp_doc *doc;
    const Envoy__Config__Core__V3__DataSource *source;
};

static void users_free(void *value)
{
    struct users *u = value;
    sp_map_done(&u->by_name);
    sp_arena_done_wipe(&u->arena);
    free(u);
}

/* What is wrong with a line, or NULL. */
static const char *read_line(struct users *u, struct sp_str line)
{
    static const char form[] = "{SHA}";
    struct sp_str hash, name, raw;
    ptrdiff_t colon = sp_str_chr(line, ':');
    if (colon <= 0)
        return "is not name:{SHA}hash";
    name = sp_str_sub(line, 0, (size_t)colon);
    hash = sp_str_sub(line, (size_t)colon + 1, line.len);
    if (!sp_str_starts(hash, sp_str_c(form)))
        return "has another hash than {SHA} (make it with htpasswd -s)";
    hash = sp_str_sub(hash, sizeof(form) - 1, hash.len);
    struct user *user = sp_arena_zalloc(&u->arena, sizeof(*user));
    if (hash.len != SHA1_BASE64 || sp_base64_decode(&u->arena, SP_BASE64, hash, &raw) < 0 || raw.len != SHA1)
        return "has no SHA-1 in base64 behind {SHA}";
    memcpy(user->hash, raw.ptr, SHA1);
    name = sp_arena_str(&u->arena, name);
    if (sp_map_get(&u->by_name, name))
        return "names a user that stands above already";
    sp_map_add(&u->by_name, name, user);
    return NULL;
}

static void *load(void *ctx, const void *old, struct sp_diag *diag)
{
    const struct owner *o = ctx;
    struct sp_secret text;
    (void)old;
    if (sp_secret_read(o->doc, diag, o->source, SP_SECRET_NOT_EMPTY | SP_SECRET_LIVE, &text) < 0)
        return NULL;
    struct users *u = sp_xcalloc(1, sizeof(*u));
    sp_arena_init(&u->arena);
    sp_map_init(&u->by_name);
    struct sp_str rest = sp_secret_str(&text), line;
    bool good = true;
    for (unsigned n = 1; sp_str_split(&rest, '\n', &line); n++) {
        line = sp_str_trim(sp_str_ends(line, SP_STR("\r")) ? sp_str_sub(line, 0, line.len - 1) : line);
        const char *why = line.len && line.ptr[0] != '#' ? read_line(u, line) : NULL;
        if (why)
            sp_source_err(o->doc, diag, o->source, NULL, "line %u %s (lines are those of htpasswd -s)", n, why);
        good &= !why;
    }
    sp_secret_done(&text);
    if (good)
        return u;
    users_free(u);
    return NULL;
}

static const struct sp_live_kind kind = {.name = "users", .load = load, .free = users_free};

struct sp_live *sp_htpasswd_new(const struct sp_doc *doc, struct sp_diag *diag, struct sp_arena *arena,
                                const Envoy__Config__Core__V3__DataSource *source)
{
    assert(doc && diag && arena && source);
    struct owner *o = sp_arena_zalloc(arena, sizeof(*o));
    *o = (struct owner){doc, source};
    struct sp_live *l = sp_live_new(sp_doc_live(doc), &kind, SP_STR("basic_auth"), o, NULL);
    sp_secret_watch(l, source);
    return sp_live_load(l, diag) ? l : NULL;
}

bool sp_htpasswd_good(const struct sp_live *users, struct sp_str name, struct sp_str password)
{
    static const struct user nobody;
    const struct users *u = sp_live_get(users);
    const struct user *user = u ? sp_map_get(&u->by_name, name) : NULL;
    uint8_t hash[SHA1];
    sp_sha1(password, hash);
    const struct user *expected = user ? user : &nobody;
    bool same = sp_ct_eq(sp_str_n((const char *)hash, SHA1), sp_str_n((const char *)expected->hash, SHA1));
    return same && user;
}
