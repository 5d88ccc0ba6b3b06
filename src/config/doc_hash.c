/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/doc_hash.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/descriptor.h"
#include "config/files.h"
#include "config/place.h"
#include "config/secret.h"
#include "crypto/hash.h"

enum { LONG_TEXT = 256 };

/* What is hashed, in pieces that say how long they are. It may hold secrets. */
struct text {
    char *p;
    size_t n, cap;
};

struct hasher {
    const struct sp_doc *doc;
    bool files, noted;
    struct text out;
};

static void put(struct text *t, const void *p, size_t n)
{
    if (t->n + n > t->cap) {
        size_t cap = SP_MAX(t->cap * 2, t->n + n + 4096);
        char *more = sp_xmalloc(cap);
        if (t->n)
            memcpy(more, t->p, t->n);
        if (t->p)
            sp_wipe(t->p, t->n);
        free(t->p);
        t->p = more;
        t->cap = cap;
    }
    if (n)
        memcpy(t->p + t->n, p, n);
    t->n += n;
}

static void put_number(struct text *t, uint64_t v)
{
    put(t, &v, sizeof(v));
}

static void put_str(struct text *t, struct sp_str s)
{
    uint8_t digest[32];
    put_number(t, s.len);
    if (s.len <= LONG_TEXT) {
        put(t, s.ptr, s.len);
        return;
    }
    sp_sha256(s, digest);
    put(t, digest, sizeof(digest));
}

static void end(struct text *t, struct sp_hash *ret)
{
    sp_sha256(sp_str_n(t->p ? t->p : "", t->n), ret->bytes);
    if (t->p)
        sp_wipe(t->p, t->n);
    free(t->p);
    *t = (struct text){0};
}

/* --- files --- */

enum source { NO_SOURCE, FILE_SOURCE, ENV_SOURCE };

static const struct {
    const char *message, *field;
    enum source source;
} sources[] = {
    {"envoy.config.core.v3.DataSource", "filename", FILE_SOURCE},
    {"envoy.config.core.v3.DataSource", "environment_variable", ENV_SOURCE},
    {"sallyport.filters.http.origin_shield.v1.KeySet", "filename", FILE_SOURCE},
    {"sallyport.filters.http.origin_shield.v1.KeySet", "environment_variable", ENV_SOURCE},
    {"sallyport.common.v1.AddressList", "path", FILE_SOURCE},
};

/* Watched by a live set of their own (net/tls_trust, net/tls_ticket_keys): their content is not part of what is compiled. */
static const struct {
    const char *message, *field;
} watched[] = {
    {"envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext", "trusted_ca"},
    {"envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext", "crl"},
    {"envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys", "keys"},
};

static enum source source_of(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *f)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(sources); i++)
        if (strcmp(sources[i].message, desc->name) == 0 && strcmp(sources[i].field, f->name) == 0)
            return sources[i].source;
    return NO_SOURCE;
}

static bool is_watched(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *f)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(watched); i++)
        if (strcmp(watched[i].message, desc->name) == 0 && strcmp(watched[i].field, f->name) == 0)
            return true;
    return false;
}

/* A file that cannot be read is told from an empty one; whoever compiles it says what is wrong. */
static void hash_file(const char *path, struct sp_hash *ret)
{
    struct sp_secret content = {0};
    int err = sp_secret_read_path(path, SP_SECRET_MAX_LARGE, &content);
    struct text t = {0};
    put_number(&t, (uint64_t)(int64_t)err);
    put_str(&t, sp_secret_str(&content));
    end(&t, ret);
    sp_secret_done(&content);
}

/* A document only seems constant to those who compile it (see sp_doc_derive). Files are noted before they are read. */
static const struct sp_hash *file_hash(const struct sp_doc *doc, const char *path, bool noted)
{
    struct sp_doc *d = (struct sp_doc *)(uintptr_t)doc;
    struct sp_hash *h = sp_map_get(&d->hashed, sp_str_c(path));
    if (noted)
        sp_doc_reads(doc, path); /* whoever finds it equal does not read it again */
    else
        sp_files_add_watched(d->files, path); /* by nobody yet */
    if (!h) {
        h = sp_arena_alloc(&d->arena, sizeof(*h));
        hash_file(path, h);
        sp_map_add(&d->hashed, sp_arena_str(&d->arena, sp_str_c(path)), h);
    }
    return h;
}

static void put_source(struct hasher *h, enum source source, const char *name)
{
    if (!h->files || source == NO_SOURCE)
        return;
    const char *value = source == ENV_SOURCE ? getenv(name) : NULL;
    if (source == FILE_SOURCE)
        put(&h->out, file_hash(h->doc, name, h->noted), sizeof(struct sp_hash));
    else
        put_str(&h->out, value ? sp_str_c(value) : SP_STR("\0unset"));
}

/* --- messages --- */

static void put_message(struct hasher *h, const ProtobufCMessage *msg, const char *const *skip);

static void put_scalar(struct hasher *h, const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *f,
                       const void *value)
{
    const ProtobufCBinaryData *bytes = value;
    const char *s;
    switch (f->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        put_message(h, *(const ProtobufCMessage *const *)value, NULL);
        return;
    case PROTOBUF_C_TYPE_STRING:
        s = *(const char *const *)value ? *(const char *const *)value : "";
        put_str(&h->out, sp_str_c(s));
        put_source(h, source_of(desc, f), s);
        return;
    case PROTOBUF_C_TYPE_BYTES:
        put_str(&h->out, sp_str_n((const char *)bytes->data, bytes->len));
        return;
    default:
        put(&h->out, value, sp_field_size(f));
    }
}

static bool is_default(const ProtobufCFieldDescriptor *f, const void *value)
{
    static const char zeros[16];
    const ProtobufCBinaryData *bytes = value;
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        return !*(const char *const *)value || !**(const char *const *)value;
    case PROTOBUF_C_TYPE_BYTES:
        return bytes->len == 0;
    default:
        return memcmp(value, zeros, sp_field_size(f)) == 0;
    }
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct sp_hash));
}

/* A map's entries each by its own hash, in the order of these. */
static void put_map(struct hasher *h, ProtobufCMessage *const *entries, size_t n)
{
    struct sp_hash *all = sp_xcalloc(n, sizeof(*all));
    for (size_t i = 0; i < n; i++) {
        struct hasher one = {.doc = h->doc, .files = h->files};
        put_message(&one, entries[i], NULL);
        end(&one.out, &all[i]);
    }
    qsort(all, n, sizeof(*all), compare);
    put(&h->out, all, n * sizeof(*all));
    free(all);
}

static void put_list(struct hasher *h, const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *f, const char *items,
                     size_t n)
{
    put_number(&h->out, n);
    if (sp_field_is_map(desc, f)) {
        put_map(h, (ProtobufCMessage *const *)(const void *)items, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        put_scalar(h, desc, f, items + i * sp_field_size(f));
}

/* Neither chosen nor other than its default, yet some fields mean something by being written: `allow: []`. */
static bool only_written(const struct sp_place *place, const ProtobufCFieldDescriptor *f)
{
    return place && !sp_field_in_oneof(f) && !(f->type == PROTOBUF_C_TYPE_MESSAGE && f->label != PROTOBUF_C_LABEL_REPEATED) &&
           sp_place_field_node(place, f->name, NULL);
}

static void put_field(struct hasher *h, const ProtobufCMessage *msg, const struct sp_place *place,
                      const ProtobufCFieldDescriptor *f)
{
    const void *value = sp_field_ptr(msg, f);
    bool files = h->files, list = f->label == PROTOBUF_C_LABEL_REPEATED;
    bool set = sp_field_is_set(msg, f) &&
               (list || sp_field_in_oneof(f) || f->type == PROTOBUF_C_TYPE_MESSAGE || !is_default(f, value));
    if (!set && !only_written(place, f))
        return;
    put_number(&h->out, f->id);
    put_number(&h->out, set);
    if (!set)
        return;
    h->files = files && !is_watched(msg->descriptor, f);
    if (list)
        put_list(h, msg->descriptor, f, *(const char *const *)value, *sp_field_count(msg, f));
    else
        put_scalar(h, msg->descriptor, f, value);
    h->files = files;
}

static bool skipped(const char *const *skip, const char *name)
{
    for (; skip && *skip; skip++)
        if (strcmp(*skip, name) == 0)
            return true;
    return false;
}

/* Depth is bounded by that of the text. */
static void put_message(struct hasher *h, const ProtobufCMessage *msg, const char *const *skip)
{
    const struct sp_place *place = sp_place_find(h->doc, msg);
    put_str(&h->out, sp_str_c(msg->descriptor->name));
    if (place && place->content) {
        put_message(h, place->content, NULL);
    } else {
        for (unsigned i = 0; i < msg->descriptor->n_fields; i++)
            if (!skipped(skip, msg->descriptor->fields[i].name))
                put_field(h, msg, place, &msg->descriptor->fields[i]);
    }
    put_number(&h->out, 0); /* no field has this number */
}

static void hash(const struct sp_doc *doc, const void *msg, const char *const *skip, bool files, bool noted, struct sp_hash *ret)
{
    struct hasher h = {.doc = doc, .files = files, .noted = noted};
    if (msg)
        put_message(&h, msg, skip);
    end(&h.out, ret);
}

void sp_doc_hash(const struct sp_doc *doc, const void *msg, const char *const *skip, struct sp_hash *ret)
{
    assert(doc && ret);
    hash(doc, msg, skip, true, true, ret);
}

void sp_doc_hash_text(const struct sp_doc *doc, const void *msg, const char *const *skip, struct sp_hash *ret)
{
    assert(doc && ret);
    hash(doc, msg, skip, false, false, ret);
}

void sp_doc_hash_look(const struct sp_doc *doc, const void *msg, const char *const *skip, struct sp_hash *ret)
{
    assert(doc && ret);
    hash(doc, msg, skip, true, false, ret);
}

void sp_hash_mix(struct sp_hash *h, struct sp_str s)
{
    assert(h);
    struct text t = {0};
    put(&t, h, sizeof(*h));
    put_str(&t, s);
    end(&t, h);
}

void sp_hash_count(const struct sp_doc *doc, struct sp_hash *h)
{
    assert(doc && h);
    struct sp_doc *d = (struct sp_doc *)(uintptr_t)doc;
    struct sp_str key = sp_str_n((const char *)h->bytes, sizeof(h->bytes));
    unsigned *n = sp_map_get(&d->counted, key);
    if (!n) {
        n = sp_arena_zalloc(&d->arena, sizeof(*n));
        sp_map_add(&d->counted, sp_arena_str(&d->arena, key), n);
    }
    ++*n;
    sp_hash_mix(h, sp_str_n((const char *)n, sizeof(*n)));
}
