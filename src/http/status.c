/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reason phrases: IANA's registry of HTTP status codes. */
#include "http/headers.h"

#include <assert.h>

static const struct sp_str reasons[512] = {
    [100] = SP_STR_INIT("Continue"),
    [101] = SP_STR_INIT("Switching Protocols"),
    [102] = SP_STR_INIT("Processing"),
    [103] = SP_STR_INIT("Early Hints"),
    [200] = SP_STR_INIT("OK"),
    [201] = SP_STR_INIT("Created"),
    [202] = SP_STR_INIT("Accepted"),
    [203] = SP_STR_INIT("Non-Authoritative Information"),
    [204] = SP_STR_INIT("No Content"),
    [205] = SP_STR_INIT("Reset Content"),
    [206] = SP_STR_INIT("Partial Content"),
    [207] = SP_STR_INIT("Multi-Status"),
    [208] = SP_STR_INIT("Already Reported"),
    [226] = SP_STR_INIT("IM Used"),
    [300] = SP_STR_INIT("Multiple Choices"),
    [301] = SP_STR_INIT("Moved Permanently"),
    [302] = SP_STR_INIT("Found"),
    [303] = SP_STR_INIT("See Other"),
    [304] = SP_STR_INIT("Not Modified"),
    [305] = SP_STR_INIT("Use Proxy"),
    [307] = SP_STR_INIT("Temporary Redirect"),
    [308] = SP_STR_INIT("Permanent Redirect"),
    [400] = SP_STR_INIT("Bad Request"),
    [401] = SP_STR_INIT("Unauthorized"),
    [402] = SP_STR_INIT("Payment Required"),
    [403] = SP_STR_INIT("Forbidden"),
    [404] = SP_STR_INIT("Not Found"),
    [405] = SP_STR_INIT("Method Not Allowed"),
    [406] = SP_STR_INIT("Not Acceptable"),
    [407] = SP_STR_INIT("Proxy Authentication Required"),
    [408] = SP_STR_INIT("Request Timeout"),
    [409] = SP_STR_INIT("Conflict"),
    [410] = SP_STR_INIT("Gone"),
    [411] = SP_STR_INIT("Length Required"),
    [412] = SP_STR_INIT("Precondition Failed"),
    [413] = SP_STR_INIT("Payload Too Large"),
    [414] = SP_STR_INIT("URI Too Long"),
    [415] = SP_STR_INIT("Unsupported Media Type"),
    [416] = SP_STR_INIT("Range Not Satisfiable"),
    [417] = SP_STR_INIT("Expectation Failed"),
    [421] = SP_STR_INIT("Misdirected Request"),
    [422] = SP_STR_INIT("Unprocessable Entity"),
    [423] = SP_STR_INIT("Locked"),
    [424] = SP_STR_INIT("Failed Dependency"),
    [425] = SP_STR_INIT("Too Early"),
    [426] = SP_STR_INIT("Upgrade Required"),
    [428] = SP_STR_INIT("Precondition Required"),
    [429] = SP_STR_INIT("Too Many Requests"),
    [431] = SP_STR_INIT("Request Header Fields Too Large"),
    [451] = SP_STR_INIT("Unavailable For Legal Reasons"),
    [500] = SP_STR_INIT("Internal Server Error"),
    [501] = SP_STR_INIT("Not Implemented"),
    [502] = SP_STR_INIT("Bad Gateway"),
    [503] = SP_STR_INIT("Service Unavailable"),
    [504] = SP_STR_INIT("Gateway Timeout"),
    [505] = SP_STR_INIT("HTTP Version Not Supported"),
    [506] = SP_STR_INIT("Variant Also Negotiates"),
    [507] = SP_STR_INIT("Insufficient Storage"),
    [508] = SP_STR_INIT("Loop Detected"),
    [510] = SP_STR_INIT("Not Extended"),
    [511] = SP_STR_INIT("Network Authentication Required"),
};

struct sp_str sp_status_reason(unsigned status)
{
    if (status < SP_ARRAY_LEN(reasons) && reasons[status].len)
        return reasons[status];
    return SP_STR("Unknown");
}

struct sp_str sp_refusal_body(unsigned status, const char *detail)
{
    assert(detail);
    bool ours = sp_str_starts(sp_str_c(detail), SP_STR("http")) || sp_str_eq(sp_str_c(detail), SP_STR("overload"));
    return status == 426 || ours ? sp_status_reason(status) : SP_STR("");
}
