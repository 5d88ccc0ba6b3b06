/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as an address list: the first byte chooses the format (its low three bits) and whether something is selected
 * (bit 3 a service, bit 4 a region).  What is accepted has ranges, none of them wide; what is refused has a printable reason.
 */
#include <stdint.h>
#include <stdlib.h>

#include "net/cdn_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_ranges(const struct sp_cdn_ranges *r)
{
    if (r->n == 0)
        abort();
    for (unsigned i = 0; i < r->n; i++) {
        char text[SP_ADDR_TEXT_MAX];
        struct sp_cidr again;
        const char *why;
        size_t n = sp_cidr_format(&r->v[i], text);
        if (sp_cidr_is_wide(&r->v[i]) || sp_cidr_parse(sp_str_n(text, n), &again, &why) ||
            memcmp(&again, &r->v[i], sizeof(again)) != 0)
            abort();
    }
}

static void check_why(const char *why)
{
    if (!why[0])
        abort();
    for (; *why; why++)
        if (*why < 0x20 || *why >= 0x7f)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sp_str services[] = {SP_STR_INIT("A"), SP_STR_INIT("AzureFrontDoor.Backend")};
    static const struct sp_str regions[] = {SP_STR_INIT("GLOBAL")};
    if (size == 0 || (data[0] & 7) >= SP_CDN_N_FORMATS)
        return 0;
    char why[SP_CDN_WHY] = "";
    struct sp_cdn_ranges r = {0};
    const struct sp_cdn_select select = {services, regions, data[0] & 8 ? 2 : 0, data[0] & 16 ? 1 : 0};
    if (sp_cdn_parse(data[0] & 7, &select, sp_str_n((const char *)data + 1, size - 1), &r, why))
        check_ranges(&r);
    else
        check_why(why);
    sp_cdn_ranges_done(&r);
    return 0;
}
