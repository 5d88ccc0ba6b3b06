/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The proofs of origin_shield (sallyport.filters.http.origin_shield.v1.Proof) as a tree.  Compiled once into the arena
 * of the shield's config, which holds secrets and is wiped with it; immutable, any thread.
 *
 * A check visits the whole tree: nothing is cut short, so that its time tells neither which proof nor which secret it
 * was that failed.
 */
#ifndef SP_FILTERS_ORIGIN_SHIELD_PROOF_H
#define SP_FILTERS_ORIGIN_SHIELD_PROOF_H

#include "net/address_set.h"
#include "route/matcher.h"
#include "sallyport/filters/http/origin_shield/v1/origin_shield.pb-c.h"
#include "stats/stats.h"
#include "stream/filter.h"

enum { SP_PROOF_MIN_SECRET = 16, SP_PROOF_MAX_SECRET = 4096 };

enum sp_proof_kind {
    SP_PROOF_SECRET_HEADER,
    SP_PROOF_PEER_ADDRESS,
    SP_PROOF_CLIENT_CERTIFICATE,
    SP_PROOF_HEADER_VALUE,
    SP_PROOF_N_LEAVES, /* these fail and are named in details */
    SP_PROOF_ALL_OF = SP_PROOF_N_LEAVES,
    SP_PROOF_ANY_OF,
};
/* "secret_header" and so on: static, for leaves. */
struct sp_str sp_proof_name(enum sp_proof_kind leaf);

struct sp_proof_secret {
    struct sp_str value;
    struct sp_counter hit;
};

struct sp_proof_header {
    struct sp_str name; /* lower-case */
    enum sp_header_id id;
};

struct sp_proof_san {
    int type; /* SubjectAltNameMatcher.SanType */
    struct sp_string_matcher *matcher;
};

struct sp_proof {
    enum sp_proof_kind kind;
    union {
        struct {
            struct sp_proof *v;
            unsigned n;
        } set;
        struct {
            struct sp_proof_header header;
            struct sp_proof_secret *v;
            unsigned n;
            bool keep;
        } secret;
        struct sp_address_set *peers;
        struct {
            struct sp_proof_san *sans;
            struct sp_str *spki, *sha256; /* hex, lower-case */
            struct sp_string_matcher **issuers;
            unsigned n_sans, n_spki, n_sha256, n_issuers;
        } cert;
        struct {
            struct sp_proof_header header;
            struct sp_str *v;
            unsigned n;
        } value;
    };
};

/* Fills *p; false after an error, and sp_proof_done is still owed. `scope`: the shield's. */
bool sp_proof_init(struct sp_proof *p, const struct sp_filter_build *build, struct sp_arena *arena,
                   struct sp_stats_scope *scope, const Sallyport__Filters__Http__OriginShield__V1__Proof *msg);
/* Gives back what is not in the arena; a zeroed proof is fine. */
void sp_proof_done(struct sp_proof *p);
/*
 * Whether every way in which it can hold names the customer, not only the CDN: a secret, a certificate by its names or
 * pins, or X-Azure-FDID together with the peer's address.  Other tenants of the CDN pass all the rest.
 */
bool sp_proof_names_customer(const struct sp_proof *p);

/* *ret_failed: a bit 1 << kind for each leaf to blame; 0 when it holds. */
bool sp_proof_check(const struct sp_proof *p, const struct sp_headers *h, const struct sp_conn_info *conn,
                    unsigned *ret_failed);

/* The value of a header that has to be there exactly once; a NULL slice otherwise. */
struct sp_str sp_proof_header_value(const struct sp_proof_header *header, const struct sp_headers *h);

#endif
