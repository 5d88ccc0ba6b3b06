/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_doc_hash: a SHA-256 of a message as it is configured, whatever the order, style and file it is written in: fields by
 * number, Any by type and decoded content, maps whatever their order.  Equal hashes: what is compiled from it would be equal,
 * so that it may live on when the config is loaded anew.  A reload compares all its clusters by it: it is fast, and a file that
 * many messages name is read once for a document.
 *
 * On the thread that compiles the document (it blocks on the disk, and notes files in it).  Hash before reading what is
 * compiled: a file that changes in between then differs at the next load.
 */
#ifndef SP_CONFIG_DOC_HASH_H
#define SP_CONFIG_DOC_HASH_H

#include "config/doc.h"

struct sp_hash {
    uint8_t bytes[32];
};

static inline bool sp_hash_eq(const struct sp_hash *a, const struct sp_hash *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/*
 * With the content of each file that it names, and the value of each environment variable.  Not of those that are watched
 * by whoever reads them, for as long as it lives and not only its document: trusted_ca, crl and session ticket keys.  `skip`: names of fields of
 * msg itself that do not count, NULL-terminated, or NULL.  `msg` may be NULL; else of this document, or in no document at all.
 */
void sp_doc_hash(const struct sp_doc *doc, const void *msg, const char *const *skip, struct sp_hash *ret);
/* Of what is written alone: a file counts by its name.  For state that stays when a secret is rotated. */
void sp_doc_hash_text(const struct sp_doc *doc, const void *msg, const char *const *skip, struct sp_hash *ret);
/* As sp_doc_hash, for telling what changed: a file asks for no reload for having been looked at here. */
void sp_doc_hash_look(const struct sp_doc *doc, const void *msg, const char *const *skip, struct sp_hash *ret);
/* `h` becomes the hash of itself and `s`: what else makes a difference. */
void sp_hash_mix(struct sp_hash *h, struct sp_str s);
static inline void sp_hash_mix_hash(struct sp_hash *h, const struct sp_hash *other)
{
    sp_hash_mix(h, sp_str_n((const char *)other->bytes, sizeof(other->bytes)));
}
/*
 * Makes h another one than those that came here equal before, while this document was compiled: the first, the second of them and
 * so on, in order of the config.  For state of which equal messages must have one each.
 */
void sp_hash_count(const struct sp_doc *doc, struct sp_hash *h);

#endif
