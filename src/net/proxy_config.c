/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/proxy_config.h"

#include <assert.h>

typedef Envoy__Config__Core__V3__ProxyProtocolConfig config_msg;

enum { CRC32C = 3, TLV_HEAD = 3 };

/* Encodes the TLVs; false after an error. */
static bool take_tlvs(struct sp_proxy_header *ret, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                      const config_msg *c)
{
    size_t len = 0;
    for (size_t i = 0; i < c->n_added_tlvs; i++) {
        bool checksum = c->added_tlvs[i]->type == CRC32C;
        if (checksum)
            sp_doc_err(doc, diag, c->added_tlvs[i], "type", -1, "3 is a checksum over each header, which no fixed value is (take it out)");
        else if (!c->added_tlvs[i]->value.len)
            sp_doc_err(doc, diag, c->added_tlvs[i], "value", -1, "required, but missing (add it, in base64, or take the TLV out)");
        if (checksum || !c->added_tlvs[i]->value.len)
            return false;
        len += TLV_HEAD + c->added_tlvs[i]->value.len;
    }
    if (len > SP_PROXY_TLVS_MAX) {
        sp_doc_err(doc, diag, c, "added_tlvs", -1, "are %zu bytes, which is more than receivers take (keep them under 4000)", len);
        return false;
    }
    uint8_t *out = sp_arena_alloc(arena, len + 1), *p = out;
    for (size_t i = 0; i < c->n_added_tlvs; i++) {
        const ProtobufCBinaryData *v = &c->added_tlvs[i]->value;
        *p++ = (uint8_t)c->added_tlvs[i]->type;
        *p++ = (uint8_t)(v->len >> 8);
        *p++ = (uint8_t)v->len;
        p = mempcpy(p, v->data, v->len);
    }
    ret->tlvs = sp_str_n((const char *)out, len);
    return true;
}

void sp_proxy_config_init(struct sp_proxy_header *ret, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                          const config_msg *c)
{
    assert(ret && arena && doc && diag);
    bool v2 = c && c->version == ENVOY__CONFIG__CORE__V3__PROXY_PROTOCOL_CONFIG__VERSION__V2;
    if (c && c->n_added_tlvs && !v2)
        sp_doc_err(doc, diag, c, "added_tlvs", -1, "are for binary headers only (set version: V2)");
    else if (c && c->n_added_tlvs && !take_tlvs(ret, arena, doc, diag, c))
        return;
    ret->version = v2 ? 2 : 1;
    ret->local = sp_proxy_write(arena, ret->version, NULL, NULL, SP_STR_NULL);
}
