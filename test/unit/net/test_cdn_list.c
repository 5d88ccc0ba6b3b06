/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lists of CDNs, each format with its selectors, and everything that makes a list refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "net/cdn_list.h"

#define AWS                                                                                                            \
    "{\"syncToken\": \"1764000000\", \"createDate\": \"2026-11-24-00-00-00\", \"prefixes\": ["                         \
    "{\"ip_prefix\": \"198.51.100.0/24\", \"region\": \"GLOBAL\", \"service\": \"AMAZON\", "                           \
    "\"network_border_group\": \"GLOBAL\"},"                                                                           \
    "{\"ip_prefix\": \"198.51.100.0/25\", \"region\": \"GLOBAL\", \"service\": \"CLOUDFRONT_ORIGIN_FACING\"},"         \
    "{\"ip_prefix\": \"203.0.113.0/26\", \"region\": \"eu-west-1\", \"service\": \"CLOUDFRONT_ORIGIN_FACING\"},"       \
    "{\"ip_prefix\": \"203.0.113.64/26\", \"region\": \"eu-west-1\", \"service\": \"EC2\"}],"                          \
    "\"ipv6_prefixes\": [{\"ipv6_prefix\": \"2001:db8:1::/48\", \"region\": \"GLOBAL\", \"service\": \"AMAZON\"},"     \
    "{\"ipv6_prefix\": \"2001:db8:2::/48\", \"region\": \"GLOBAL\", \"service\": \"CLOUDFRONT_ORIGIN_FACING\"}]}"

#define AZURE                                                                                                          \
    "{\"changeNumber\": 300, \"cloud\": \"Public\", \"values\": ["                                                     \
    "{\"name\": \"AzureFrontDoor.Backend\", \"id\": \"AzureFrontDoor.Backend\", \"properties\": {\"changeNumber\": 9," \
    "\"region\": \"\", \"regionId\": 0, \"platform\": \"Azure\", \"systemService\": \"AzureFrontDoor\","               \
    "\"addressPrefixes\": [\"198.51.100.0/29\", \"2001:db8:a::/48\"], \"networkFeatures\": [\"NSG\"]}},"               \
    "{\"name\": \"Storage.WestEurope\", \"id\": \"Storage.WestEurope\", \"properties\": {\"region\": \"westeurope\","  \
    "\"systemService\": \"AzureStorage\", \"addressPrefixes\": [\"203.0.113.0/28\"]}}]}"

#define GOOGLE                                                                                                         \
    "{\"syncToken\": \"1\", \"creationTime\": \"2026-11-24T00:00:00\", \"prefixes\": ["                                \
    "{\"ipv4Prefix\": \"203.0.113.0/24\", \"service\": \"Google Cloud\", \"scope\": \"europe-west4\"},"                \
    "{\"ipv6Prefix\": \"2001:db8:9::/48\", \"service\": \"Google Cloud\", \"scope\": \"us-east1\"},"                   \
    "{\"ipv4Prefix\": \"198.51.100.0/24\"}]}"

#define CLOUDFLARE                                                                                                     \
    "{\"result\": {\"ipv4_cidrs\": [\"198.51.100.0/24\", \"203.0.113.0/24\"], \"ipv6_cidrs\": [\"2001:db8::/32\"],"    \
    "\"etag\": \"0\"}, \"success\": true, \"errors\": [], \"messages\": []}"

#define AKAMAI_MAP                                                                                                     \
    "{\"id\": 42, \"ruleName\": \"a;s1.akamai.test\", \"mapAlias\": \"shop\", \"acknowledged\": false,"                \
    "\"currentCidrs\": [\"198.51.100.0/24\", \"203.0.113.0/25\"],"                                                     \
    "\"proposedCidrs\": [\"198.51.100.0/24\", \"203.0.113.128/25\"]}"
#define AKAMAI                                                                                                         \
    "{\"siteShieldMaps\": [" AKAMAI_MAP ", {\"id\": 43, \"ruleName\": \"other\", \"currentCidrs\": [\"192.0.2.0/24\"]," \
    "\"proposedCidrs\": null}]}"

static char why[SP_CDN_WHY];

/* Selectors as words of a line, "" for none. */
static unsigned words(const char *line, struct sp_str *out)
{
    struct sp_str rest = sp_str_c(line), word;
    unsigned n = 0;
    while (rest.len && sp_str_split(&rest, '|', &word))
        out[n++] = word;
    return n;
}

static bool parse(enum sp_cdn_format format, const char *services, const char *regions, struct sp_str text,
                  struct sp_cdn_ranges *ret)
{
    struct sp_str s[4], r[4];
    struct sp_cdn_select select = {s, r, words(services, s), words(regions, r)};
    /* Of the exact size, so that a sanitizer sees a read behind the end. */
    char *copy = sp_xmalloc(text.len + !text.len);
    memcpy(copy, text.ptr, text.len);
    *ret = (struct sp_cdn_ranges){0};
    strcpy(why, "untouched");
    bool good = sp_cdn_parse(format, &select, sp_str_n(copy, text.len), ret, why);
    free(copy);
    return good;
}

/* `expected`: ranges in the order of the list, separated by blanks. */
static void gives(enum sp_cdn_format format, const char *services, const char *regions, const char *text,
                  const char *expected)
{
    struct sp_cdn_ranges r;
    char got[1000] = "";
    if (!parse(format, services, regions, sp_str_c(text), &r))
        fail_msg("refused: %s", why);
    for (unsigned i = 0; i < r.n; i++) {
        char one[SP_ADDR_TEXT_MAX];
        sp_cidr_format(&r.v[i], one);
        snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i ? " " : "", one);
    }
    assert_string_equal(got, expected);
    sp_cdn_ranges_done(&r);
}

static void refuses(enum sp_cdn_format format, const char *services, const char *regions, struct sp_str text,
                    const char *expected)
{
    struct sp_cdn_ranges r;
    if (parse(format, services, regions, text, &r))
        fail_msg("accepted: %.*s", SP_STR_ARG(text));
    if (!strstr(why, expected))
        fail_msg("says '%s', not '%s'", why, expected);
    assert_null(r.v);
}

#define REFUSES(format, services, regions, text, expected) refuses(format, services, regions, SP_STR(text), expected)

static void test_plain(void **state)
{
    gives(SP_CDN_PLAIN, "", "", "# ours\n198.51.100.0/24\r\n\n  2001:db8::/32 # six\n192.0.2.7\n::ffff:203.0.113.0/120",
          "198.51.100.0/24 2001:db8::/32 192.0.2.7/32 203.0.113.0/24");
    gives(SP_CDN_PLAIN, "", "", "\xef\xbb\xbf""10.0.0.0/8\n", "10.0.0.0/8");
    REFUSES(SP_CDN_PLAIN, "", "", "", "empty");
    REFUSES(SP_CDN_PLAIN, "", "", " \n\t\r\n", "empty");
    REFUSES(SP_CDN_PLAIN, "", "", "# nothing yet\n", "no ranges");
    REFUSES(SP_CDN_PLAIN, "", "", "192.0.2.0/24\n\nnonsense\n", "line 3 'nonsense': not an IPv4 or IPv6 address");
    REFUSES(SP_CDN_PLAIN, "", "", "192.0.2.1/24\n", "did you mean 192.0.2.0/24?");
    REFUSES(SP_CDN_PLAIN, "", "", "192.0.2.0/24\0\n", "line 1 '192.0.2.0/24?'");
    REFUSES(SP_CDN_PLAIN, "", "", "192.0.2.0/24, 198.51.100.0/24\n", "line 1");
    REFUSES(SP_CDN_PLAIN, "", "", "<!DOCTYPE html><html>502</html>", "an error page?");
}

static void test_too_wide(void **state)
{
    REFUSES(SP_CDN_PLAIN, "", "", "192.0.2.0/24\n0.0.0.0/0\n", "line 2 '0.0.0.0/0' is too wide");
    REFUSES(SP_CDN_PLAIN, "", "", "0.0.0.0/1\n128.0.0.0/1\n", "too wide");
    REFUSES(SP_CDN_PLAIN, "", "", "::/0\n", "too wide");
    REFUSES(SP_CDN_PLAIN, "", "", "10.0.0.0/7\n", "too wide");
    REFUSES(SP_CDN_PLAIN, "", "", "2000::/15\n", "too wide");
    REFUSES(SP_CDN_PLAIN, "", "", "::ffff:0:0/96\n", "too wide");
    REFUSES(SP_CDN_FASTLY, "", "", "{\"addresses\": [\"0.0.0.0/0\"], \"ipv6_addresses\": []}", "entry 0 '0.0.0.0/0'");
    gives(SP_CDN_PLAIN, "", "", "10.0.0.0/8\n2001::/16\n", "10.0.0.0/8 2001::/16");
}

static void test_aws(void **state)
{
    gives(SP_CDN_AWS_IP_RANGES, "CLOUDFRONT_ORIGIN_FACING", "", AWS, "198.51.100.0/25 203.0.113.0/26 2001:db8:2::/48");
    gives(SP_CDN_AWS_IP_RANGES, "cloudfront_origin_facing", "EU-WEST-1", AWS, "203.0.113.0/26");
    gives(SP_CDN_AWS_IP_RANGES, "CLOUDFRONT_ORIGIN_FACING|EC2", "eu-west-1", AWS, "203.0.113.0/26 203.0.113.64/26");
    gives(SP_CDN_AWS_IP_RANGES, "", "GLOBAL", AWS,
          "198.51.100.0/24 198.51.100.0/25 2001:db8:1::/48 2001:db8:2::/48");
    REFUSES(SP_CDN_AWS_IP_RANGES, "CLOUDFRONT_ORIGIN", "", AWS, "services: 'CLOUDFRONT_ORIGIN' matches no range");
    REFUSES(SP_CDN_AWS_IP_RANGES, "EC2|S3", "", AWS, "services: 'S3' matches no range");
    REFUSES(SP_CDN_AWS_IP_RANGES, "", "mars-1", AWS, "regions: 'mars-1' matches no range");
    REFUSES(SP_CDN_AWS_IP_RANGES, "EC2", "GLOBAL", AWS, "services: 'EC2' matches no range of these regions");
    REFUSES(SP_CDN_AWS_IP_RANGES, "EC2", "eu-west-1|GLOBAL", AWS, "regions: 'GLOBAL' matches no range of these services");
    REFUSES(SP_CDN_AWS_IP_RANGES, "", "", CLOUDFLARE, "'prefixes' is no list");
    REFUSES(SP_CDN_AWS_IP_RANGES, "", "", "{\"prefixes\": []}", "no ranges");
    REFUSES(SP_CDN_AWS_IP_RANGES, "", "", "{\"prefixes\": [{\"service\": \"EC2\"}]}", "no 'ip_prefix'");
    REFUSES(SP_CDN_AWS_IP_RANGES, "", "", "{\"prefixes\": [7]}", "no 'ip_prefix'");
    REFUSES(SP_CDN_AWS_IP_RANGES, "", "", "{\"prefixes\": [{\"ip_prefix\": \"nine\"}]}", "entry 0 'nine'");
}

static void test_azure(void **state)
{
    gives(SP_CDN_AZURE_SERVICE_TAGS, "AzureFrontDoor.Backend", "", AZURE, "198.51.100.0/29 2001:db8:a::/48");
    gives(SP_CDN_AZURE_SERVICE_TAGS, "", "westeurope", AZURE, "203.0.113.0/28");
    gives(SP_CDN_AZURE_SERVICE_TAGS, "", "", AZURE, "198.51.100.0/29 2001:db8:a::/48 203.0.113.0/28");
    REFUSES(SP_CDN_AZURE_SERVICE_TAGS, "AzureFrontDoor", "", AZURE, "'AzureFrontDoor' matches no range");
    REFUSES(SP_CDN_AZURE_SERVICE_TAGS, "AzureFrontDoor.Backend", "westeurope", AZURE, "matches no range of these");
    REFUSES(SP_CDN_AZURE_SERVICE_TAGS, "", "", "{\"values\": {}}", "'values' is no list");
    REFUSES(SP_CDN_AZURE_SERVICE_TAGS, "", "", "{\"values\": [{\"name\": \"x\"}]}", "service tag 0");
    REFUSES(SP_CDN_AZURE_SERVICE_TAGS, "", "", "{\"values\": [{\"name\": \"x\", \"properties\": {}}]}",
            "'addressPrefixes' is no list");
}

static void test_google(void **state)
{
    gives(SP_CDN_GOOGLE, "", "", GOOGLE, "203.0.113.0/24 2001:db8:9::/48 198.51.100.0/24");
    gives(SP_CDN_GOOGLE, "Google Cloud", "us-east1", GOOGLE, "2001:db8:9::/48");
    REFUSES(SP_CDN_GOOGLE, "Google", "", GOOGLE, "services: 'Google' matches no range");
    REFUSES(SP_CDN_GOOGLE, "", "", "{\"prefixes\": [{\"service\": \"x\"}]}", "neither 'ipv4Prefix' nor 'ipv6Prefix'");
}

static void test_cloudflare(void **state)
{
    gives(SP_CDN_CLOUDFLARE, "", "", CLOUDFLARE, "198.51.100.0/24 203.0.113.0/24 2001:db8::/32");
    gives(SP_CDN_CLOUDFLARE, "", "", "198.51.100.0/24\n2001:db8::/32", "198.51.100.0/24 2001:db8::/32");
    /* ips-v4 has no line end at its end: a mere `cat` of both joins two ranges. */
    REFUSES(SP_CDN_CLOUDFLARE, "", "", "198.51.100.0/242001:db8::/32", "line 1");
    REFUSES(SP_CDN_CLOUDFLARE, "", "", "{\"success\": false, \"result\": null}", "success");
    REFUSES(SP_CDN_CLOUDFLARE, "", "", "{\"success\": true, \"result\": []}", "no 'result'");
    REFUSES(SP_CDN_CLOUDFLARE, "", "", "{\"success\": true, \"result\": {\"ipv6_cidrs\": []}}", "'ipv4_cidrs'");
    REFUSES(SP_CDN_CLOUDFLARE, "", "", "{\"success\": true, \"result\": {\"ipv4_cidrs\": [1]}}", "entry 0 is no text");
}

static void test_fastly(void **state)
{
    gives(SP_CDN_FASTLY, "", "", "{\"addresses\": [\"198.51.100.0/24\"], \"ipv6_addresses\": [\"2001:db8::/32\"]}",
          "198.51.100.0/24 2001:db8::/32");
    REFUSES(SP_CDN_FASTLY, "", "", "{\"ipv6_addresses\": []}", "'addresses' is no list");
    REFUSES(SP_CDN_FASTLY, "", "", "{\"addresses\": [], \"ipv6_addresses\": []}", "no ranges");
    REFUSES(SP_CDN_FASTLY, "", "", "{\"addresses\": [\"198.51.100.0/24\"], \"ipv6_addresses\": 5}", "'ipv6_addresses'");
}

static void test_akamai(void **state)
{
    const char *both = "198.51.100.0/24 203.0.113.0/25 198.51.100.0/24 203.0.113.128/25";
    gives(SP_CDN_AKAMAI_SITE_SHIELD, "", "", AKAMAI_MAP, both);
    gives(SP_CDN_AKAMAI_SITE_SHIELD, "", "", AKAMAI,
          "198.51.100.0/24 203.0.113.0/25 198.51.100.0/24 203.0.113.128/25 192.0.2.0/24");
    gives(SP_CDN_AKAMAI_SITE_SHIELD, "42", "", AKAMAI, both);
    gives(SP_CDN_AKAMAI_SITE_SHIELD, "shop", "", AKAMAI, both);
    gives(SP_CDN_AKAMAI_SITE_SHIELD, "a;s1.akamai.test", "", AKAMAI, both);
    REFUSES(SP_CDN_AKAMAI_SITE_SHIELD, "44", "", AKAMAI, "services: '44' matches no range");
    REFUSES(SP_CDN_AKAMAI_SITE_SHIELD, "", "", "{\"siteShieldMaps\": []}", "no ranges");
    REFUSES(SP_CDN_AKAMAI_SITE_SHIELD, "", "", "{\"proposedCidrs\": [\"192.0.2.0/24\"]}", "'currentCidrs' is no list");
}

static void test_bad_json(void **state)
{
    REFUSES(SP_CDN_FASTLY, "", "", "{\"addresses\": [\"198.51.100.0/24\"", "cut short");
    REFUSES(SP_CDN_FASTLY, "", "", "[]", "not a JSON object");
    REFUSES(SP_CDN_FASTLY, "", "", "198.51.100.0/24\n", "not a JSON object");
    REFUSES(SP_CDN_FASTLY, "", "", "{\"addresses\": [], \"addresses\": [\"198.51.100.0/24\"]}", "twice");
    REFUSES(SP_CDN_FASTLY, "", "", "{\"addresses\": [\"a\\n\\u001b[31m\\u00e9\"]}", "entry 0 'a?\?[31m?\?'");
    char deep[200] = "{\"addresses\":";
    memset(deep + strlen(deep), '[', 100);
    refuses(SP_CDN_FASTLY, "", "", sp_str_c(deep), "not a JSON object");
}

static void test_too_large(void **state)
{
    struct sp_cdn_ranges r;
    size_t cap = (size_t)SP_CDN_MAX_BYTES + 1, n = 0;
    char *text = sp_xmalloc(cap);
    memset(text, '\n', cap);
    memcpy(text, "10.0.0.0/8", 10);
    assert_false(parse(SP_CDN_PLAIN, "", "", sp_str_n(text, cap), &r));
    assert_string_equal(why, "larger than 32 MiB");
    for (unsigned i = 0; i < SP_CDN_MAX_RANGES; i++)
        n += (size_t)snprintf(text + n, cap - n, "10.%u.%u.%u\n", i >> 16, i >> 8 & 255, i & 255);
    assert_true(parse(SP_CDN_PLAIN, "", "", sp_str_n(text, n), &r));
    assert_int_equal(r.n, SP_CDN_MAX_RANGES);
    sp_cdn_ranges_done(&r);
    n += (size_t)snprintf(text + n, cap - n, "11.0.0.0\n");
    assert_false(parse(SP_CDN_PLAIN, "", "", sp_str_n(text, n), &r));
    assert_string_equal(why, "more than 250000 ranges");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),  cmocka_unit_test(test_too_wide),   cmocka_unit_test(test_aws),
        cmocka_unit_test(test_azure),  cmocka_unit_test(test_google),     cmocka_unit_test(test_cloudflare),
        cmocka_unit_test(test_fastly), cmocka_unit_test(test_akamai),     cmocka_unit_test(test_bad_json),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
