/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The proofs of origin_shield (sallyport.filters.http.origin_shield.v1.Proof) as a tree.  Compiled once into the arena
 * of the shield's config, which holds secrets and is wiped with it; immutable, any thread.
 *
 * A check visits the whole tree and compares every secret, so that its time tells neither which proof nor which secret it
 * was that failed.  Only signatures are left out where the peer's own address or certificate has failed already.
 */
#ifndef SP_FILTERS_ORIGIN_SHIELD_PROOF_H
#define SP_FILTERS_ORIGIN_SHIELD_PROOF_H

#include "filters/origin_shield_g2o.h"
#include "filters/origin_shield_token.h"
#include "net/address_set.h"
#include "net/tls_match.h"
#include "route/matcher.h"

enum { SP_PROOF_MAX_TOKENS = 32 };

enum sp_proof_kind {
    SP_PROOF_SECRET_HEADER,
    SP_PROOF_PEER_ADDRESS,
    SP_PROOF_CLIENT_CERTIFICATE,
    SP_PROOF_HEADER_VALUE,
    SP_PROOF_AKAMAI_G2O,
    SP_PROOF_SIGNED_TOKEN,
    SP_PROOF_N_LEAVES,
    SP_PROOF_ALL_OF = SP_PROOF_N_LEAVES,
    SP_PROOF_ANY_OF,
};

/* What to blame; the first ones are kinds of leaves. */
enum sp_proof_fault {
    SP_FAULT_G2O_TIME = SP_PROOF_N_LEAVES,
    SP_FAULT_G2O_REPLAY,
    SP_FAULT_G2O_FULL,
    SP_FAULT_TOKEN_TIME,
    SP_PROOF_N_FAULTS,
};
/* "secret_header,akamai_g2o_replay": what stands in `mask`, a bit 1 << fault each; in the arena. */
struct sp_str sp_proof_faults(unsigned mask, struct sp_arena *arena);

struct sp_proof_header {
    struct sp_str name; /* lower-case */
    enum sp_header_id id;
};

struct sp_proof {
    enum sp_proof_kind kind;
    union {
        struct {
            struct sp_proof *v;
            unsigned n;
            Sallyport__Filters__Http__OriginShield__V1__Cdn cdn; /* of a preset, or 0 */
            bool costly; /* something below verifies signatures */
        } set;
        struct {
            struct sp_proof_header header;
            struct sp_named_secret *v;
            unsigned n;
            bool keep;
        } secret;
        struct {
            struct sp_address_set *set;
            struct sp_address_set *via; /* the load balancer's; NULL: there is none */
            unsigned hops;
        } peer;
        struct {
            struct sp_tls_matchers *sans; /* NULL: any */
            struct sp_str *spki, *sha256; /* hex, lower-case */
            struct sp_string_matcher **issuers;
            unsigned n_spki, n_sha256, n_issuers;
            bool cloudflare_own; /* its sans take names of Cloudflare's own certificates */
        } cert;
        struct {
            struct sp_proof_header header;
            struct sp_str *v;
            unsigned n;
        } value;
        struct sp_shield_g2o g2o;
        struct {
            struct sp_shield_token token;
            struct sp_proof_header header;
            unsigned index; /* among all tokens of the tree, under SP_PROOF_MAX_TOKENS */
        } token;
    };
};

/* What a request showed, for whoever asks later who it came from. Part of the shield's config. */
struct sp_proof_held {
    const struct sp_named_secret *secret;
    const struct sp_proof *leaf[SP_PROOF_N_LEAVES]; /* of each kind, the last that held */
};
struct sp_caller;
/* Names of secrets and lists, never what is secret. */
void sp_proof_caller(const struct sp_proof_held *held, const struct sp_stream_info *info, struct sp_caller *out);

/* A request that is judged. */
struct sp_proof_request {
    const struct sp_headers *h;
    const struct sp_stream_info *info;
    struct sp_arena *arena; /* the stream's */
    const struct sp_turn *turn;
    int64_t now;            /* Unix seconds */
    unsigned worker;
    unsigned failed;        /* set by the check: a bit 1 << fault for each to blame; 0 when it holds */
    bool hopeless;          /* the check's own: what is asked now does not decide any more */
    uint32_t good_tokens;   /* set by the check: a bit for each token that is good by itself, whatever the rest says */
    struct sp_proof_held *held; /* the check notes there what was shown; NULL: nobody wants to know */
};

/* Fills *p; false after an error, and sp_proof_done is still owed. `scope`: the shield's. */
bool sp_proof_init(struct sp_proof *p, const struct sp_filter_build *build, struct sp_arena *arena,
                   struct sp_stats_scope *scope, const Sallyport__Filters__Http__OriginShield__V1__Proof *msg);
/* Gives back what is not in the arena; a zeroed proof is fine. */
void sp_proof_done(struct sp_proof *p);
/*
 * Whether every way in which it can hold names the customer, not only the CDN: a secret, a signature, a token, a
 * certificate by its names or pins, or X-Azure-FDID together with the peer's address.  Other tenants of the CDN pass all
 * the rest.
 */
bool sp_proof_names_customer(const struct sp_proof *p);
/* Whether it is then the customer's CDN that speaks, and not one of his users with a token that is in every user's browser. */
bool sp_proof_vouches(const struct sp_proof *p);

bool sp_proof_check(const struct sp_proof *p, struct sp_proof_request *r);

/* The value of a header that has to be there exactly once; a NULL slice otherwise. */
struct sp_str sp_proof_header_value(const struct sp_proof_header *header, const struct sp_headers *h);

/* The headers of G2O, for whoever takes them out. */
extern const struct sp_proof_header sp_proof_g2o_headers[2];

#endif
