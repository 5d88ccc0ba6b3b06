/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/origin_shield_preset.h"

#include <assert.h>

typedef Sallyport__Filters__Http__OriginShield__V1__Preset Preset;
typedef Sallyport__Filters__Http__OriginShield__V1__Proof Proof;
typedef Sallyport__Filters__Http__OriginShield__V1__ProofSet ProofSet;
typedef Sallyport__Filters__Http__OriginShield__V1__PeerAddress PeerAddress;
typedef Sallyport__Filters__Http__OriginShield__V1__Cdn Cdn;
typedef Sallyport__Common__V1__AddressList AddressList;

#define CDN(x) SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__CDN__##x
#define FORMAT(x) SALLYPORT__COMMON__V1__ADDRESS_LIST__FORMAT__##x
#define DERIVE(doc, msg, type) sp_doc_derive(doc, msg, &sallyport__filters__http__origin_shield__v1__##type##__descriptor)

/* How a CDN's own list looks, and what in it is its way to origins. */
static const struct {
    const char *name;
    Sallyport__Common__V1__AddressList__Format format;
    const char *service; /* NULL: all of it */
} cdns[] = {
    [CDN(CLOUDFRONT)] = {"CLOUDFRONT", FORMAT(AWS_IP_RANGES), "CLOUDFRONT_ORIGIN_FACING"},
    [CDN(CLOUDFLARE)] = {"CLOUDFLARE", FORMAT(CLOUDFLARE), NULL},
    [CDN(AZURE_FRONT_DOOR)] = {"AZURE_FRONT_DOOR", FORMAT(AZURE_SERVICE_TAGS), "AzureFrontDoor.Backend"},
    [CDN(FASTLY)] = {"FASTLY", FORMAT(FASTLY), NULL},
    [CDN(AKAMAI)] = {"AKAMAI", FORMAT(AKAMAI_SITE_SHIELD), NULL},
    [CDN(GOOGLE)] = {"GOOGLE", FORMAT(PLAIN), NULL},
};

/* Google's front ends, of which it publishes no file: from here come requests of external load balancers, and probes. */
static const char *const google_front_ends[] = {"130.211.0.0/22", "35.191.0.0/16"};

const char *sp_shield_cdn_name(Cdn cdn)
{
    assert(cdn > 0 && (size_t)cdn < SP_ARRAY_LEN(cdns));
    return cdns[cdn].name;
}

/* With the CDN's format and service, unless others are written. NULL after an error. */
static AddressList *list_of(const struct sp_doc *doc, struct sp_diag *diag, struct sp_arena *arena, Cdn cdn,
                            const AddressList *msg)
{
    AddressList *list = sp_doc_derive(doc, msg, &sallyport__common__v1__address_list__descriptor);
    if (!sp_doc_written(doc, msg, "format"))
        list->format = cdns[cdn].format;
    if (list->format != cdns[cdn].format && list->format != FORMAT(PLAIN) &&
        !(cdn == CDN(GOOGLE) && list->format == FORMAT(GOOGLE))) {
        sp_doc_err(doc, diag, msg, "format", -1, "this is not the format of %s's lists (leave it out, or take PLAIN)",
                   cdns[cdn].name);
        return NULL;
    }
    if (list->format == cdns[cdn].format && cdns[cdn].service && !sp_doc_written(doc, msg, "services")) {
        list->services = sp_arena_alloc(arena, sizeof(*list->services));
        list->services[0] = (char *)(uintptr_t)cdns[cdn].service;
        list->n_services = 1;
    }
    return list;
}

/* NULL when there is none; *ret_good is cleared after an error. */
static PeerAddress *addresses_of(const struct sp_doc *doc, struct sp_diag *diag, struct sp_arena *arena, const Preset *msg,
                                 bool *ret_good)
{
    if (!msg->n_lists && msg->cdn != CDN(GOOGLE)) {
        if (msg->via)
            sp_doc_err(doc, diag, msg, "via", -1, "without lists no address is looked at (set lists)");
        *ret_good = !msg->via;
        return NULL;
    }
    PeerAddress *peers = DERIVE(doc, msg, peer_address);
    peers->via = msg->via;
    if (!msg->n_lists) {
        peers->cidrs = (char **)(uintptr_t)google_front_ends;
        peers->n_cidrs = SP_ARRAY_LEN(google_front_ends);
        return peers;
    }
    peers->lists = sp_arena_alloc(arena, msg->n_lists * sizeof(AddressList *));
    for (size_t i = 0; i < msg->n_lists; i++) {
        AddressList *list = list_of(doc, diag, arena, msg->cdn, msg->lists[i]);
        *ret_good &= list != NULL;
        peers->lists[peers->n_lists++] = list ? list : msg->lists[i];
    }
    return peers;
}

const Proof *sp_shield_preset_expand(const struct sp_doc *doc, struct sp_diag *diag, struct sp_arena *arena,
                                     const Preset *msg)
{
    assert(doc && diag && arena && msg && msg->cdn > 0 && (size_t)msg->cdn < SP_ARRAY_LEN(cdns));
    bool good = true;
    PeerAddress *peers = addresses_of(doc, diag, arena, msg, &good);
    Proof *proof = DERIVE(doc, msg, proof);
    ProofSet *set = DERIVE(doc, msg, proof_set);
    set->proofs = sp_arena_alloc(arena, (msg->n_proofs + 1) * sizeof(Proof *));
    if (peers) {
        Proof *first = DERIVE(doc, msg, proof);
        first->proof_case = SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__PROOF__PROOF_PEER_ADDRESS;
        first->peer_address = peers;
        set->proofs[set->n_proofs++] = first;
    }
    for (size_t i = 0; i < msg->n_proofs; i++)
        set->proofs[set->n_proofs++] = msg->proofs[i];
    proof->proof_case = SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__PROOF__PROOF_ALL_OF;
    proof->all_of = set;
    return good ? proof : NULL;
}
