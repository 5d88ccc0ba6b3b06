/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/xff.h"

#include <assert.h>

struct sp_str sp_xff_list(const struct sp_headers *h)
{
    assert(h);
    const struct sp_header *first = sp_headers_find_id(h, SP_H_X_FORWARDED_FOR, NULL);
    if (first && sp_headers_find_id(h, SP_H_X_FORWARDED_FOR, first))
        return sp_headers_joined(h, SP_STR("x-forwarded-for"));
    return first ? first->value : SP_STR_NULL;
}

bool sp_xff_take_last(struct sp_str *list, struct sp_str *ret_entry)
{
    assert(list && ret_entry);
    if (!list->ptr)
        return false;
    size_t i = list->len;
    while (i && list->ptr[i - 1] != ',')
        i--;
    *ret_entry = sp_str_trim(sp_str_sub(*list, i, list->len));
    *list = i ? sp_str_sub(*list, 0, i - 1) : SP_STR_NULL;
    return true;
}

struct sp_str sp_xff_from_right(struct sp_str list, uint32_t n)
{
    struct sp_str entry;
    do {
        if (!sp_xff_take_last(&list, &entry))
            return SP_STR_NULL;
    } while (n--);
    return entry;
}

bool sp_xff_parse(struct sp_str entry, struct sp_addr *ret)
{
    assert(ret);
    return entry.len && entry.ptr[0] != '[' && sp_addr_parse_ip(entry, ret) == 0;
}

bool sp_xff_first_untrusted(struct sp_str list, const struct sp_cidr_table *trusted, struct sp_addr *ret)
{
    assert(trusted && ret);
    struct sp_str entry;
    unsigned n = 0;
    struct sp_addr addr = {0};
    while (sp_xff_take_last(&list, &entry)) {
        if (++n > SP_XFF_MAX_ENTRIES || !sp_xff_parse(entry, &addr))
            return false;
        if (!sp_cidr_table_find(trusted, &addr, NULL, NULL))
            break;
    }
    if (n)
        *ret = addr;
    return n > 0;
}
