/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/sample.h"

#include <assert.h>

#include "crypto/hash.h"

void sp_sample_init(struct sp_sample *s, unsigned percent, struct sp_str scope, struct sp_str name)
{
    assert(s && percent <= 100);
    s->percent = percent;
    sp_hmac_sha256(scope, name, s->key);
}

bool sp_sample_read(struct sp_sample *s, const struct sp_doc *doc, struct sp_diag *diag, const void *msg, bool shadow,
                    const Google__Protobuf__UInt32Value *percent, struct sp_str scope, struct sp_str name)
{
    assert(s && doc && diag && msg);
    sp_sample_init(s, percent ? percent->value : 100, scope, name);
    if (!shadow || !percent)
        return true;
    sp_doc_err(doc, diag, msg, "enforced_percent", -1, "SHADOW enforces for nobody (drop the one or the other)");
    return false;
}

bool sp_sample_has(const struct sp_sample *s, const struct sp_addr *a)
{
    assert(s);
    if (SP_LIKELY(s->percent >= 100))
        return true;
    size_t n = !a ? 0 : a->family == AF_INET ? 4 : a->family == AF_INET6 ? 8 : 0;
    if (n == 0)
        return true;
    uint8_t mac[32];
    uint64_t hash = 0;
    sp_hmac_sha256(sp_str_n((const char *)s->key, sizeof(s->key)), sp_str_n((const char *)a->ip, n), mac);
    for (unsigned i = 0; i < 8; i++)
        hash = hash << 8 | mac[i];
    return hash % 100 < s->percent;
}
