/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/websocket.h"

#include <assert.h>

#include "crypto/ct.h"
#include "crypto/hash.h"

static const struct sp_str key_name = SP_STR_INIT("sec-websocket-key");
static const struct sp_str accept_name = SP_STR_INIT("sec-websocket-accept");
static const struct sp_str version_name = SP_STR_INIT("sec-websocket-version");

/* RFC 6455 section 4.2.2. */
static struct sp_str accept_of(struct sp_arena *arena, struct sp_str key)
{
    uint8_t hash[20];
    sp_sha1(sp_arena_cat(arena, key, SP_STR("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")), hash);
    return sp_base64_encode(arena, SP_BASE64, sp_str_n((const char *)hash, sizeof(hash)));
}

static struct sp_str new_key(struct sp_arena *arena)
{
    uint64_t nonce[2] = {sp_random_u64(), sp_random_u64()};
    return sp_base64_encode(arena, SP_BASE64, sp_str_n((const char *)nonce, sizeof(nonce)));
}

void sp_websocket_begin(struct sp_websocket *w, struct sp_headers *request)
{
    assert(w && request);
    *w = (struct sp_websocket){.on = sp_str_ieq(request->protocol, SP_STR("websocket"))};
    if (!w->on)
        return;
    const struct sp_header *key = sp_headers_find(request, key_name, NULL);
    if (key)
        w->key = key->value;
}

void sp_websocket_send(struct sp_websocket *w, struct sp_headers *h, bool h2)
{
    assert(w && h);
    if (!w->on)
        return;
    w->owes = h2 && w->key.ptr;
    w->accept = SP_STR_NULL;
    if (h2) {
        sp_headers_remove(h, key_name);
        return;
    }
    if (w->key.ptr) {
        sp_headers_set(h, key_name, w->key); /* an attempt over HTTP/2 may have taken it off */
        return;
    }
    struct sp_str key = new_key(h->arena);
    w->accept = accept_of(h->arena, key);
    sp_headers_set(h, key_name, key);
    if (!sp_headers_find(h, version_name, NULL))
        sp_headers_add(h, version_name, SP_STR("13"));
}

bool sp_websocket_answer(struct sp_websocket *w, struct sp_headers *h)
{
    assert(w && h);
    if (!w->on)
        return true;
    if (w->accept.ptr) { /* the client, which sent no key, would not know it */
        bool good = sp_str_eq(sp_headers_get(h, accept_name), w->accept);
        sp_headers_remove(h, accept_name);
        return good;
    }
    if (w->owes)
        sp_headers_set(h, accept_name, accept_of(h->arena, w->key));
    return true;
}
