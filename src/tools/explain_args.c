/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/explain_args.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "crypto/pem.h"
#include "http/headers.h"
#include "server/options.h"
#include "tools/tool_file.h"

struct ctx {
    struct sp_explain_args *a;
    struct sp_arena *arena;
    char *why;
    size_t why_size;
};

typedef int apply_fn(struct ctx *x, const char *value);

static int wrong(struct ctx *x, const char *option, const char *value, const char *right)
{
    snprintf(x->why, x->why_size, "%s: \"%.200s\" is not %s", option, value, right);
    sp_text_tame(x->why, strlen(x->why));
    return -EINVAL;
}

/* --- the request --- */

static bool is_port(struct sp_str text, uint16_t *ret)
{
    uint64_t v;
    if (sp_str_u64(text, UINT16_MAX, &v) < 0 || !v)
        return false;
    *ret = (uint16_t)v;
    return true;
}

/* The port behind the host, if there is one. False: it is none. */
static bool take_port(struct sp_explain_args *a, struct sp_str *ret_host)
{
    size_t i = a->authority.len;
    *ret_host = a->authority;
    while (i && a->authority.ptr[i - 1] != ':' && a->authority.ptr[i - 1] != ']')
        i--;
    if (!i || a->authority.ptr[i - 1] == ']')
        return true;
    *ret_host = sp_str_n(a->authority.ptr, i - 1);
    return is_port(sp_str_sub(a->authority, i, a->authority.len), &a->port);
}

static int set_request(struct ctx *x, const char *value)
{
    static const char right[] = "a request such as 'GET https://api.example.com/v1/x'";
    struct sp_explain_args *a = x->a;
    struct sp_str text = sp_str_trim(sp_str_c(value)), host;
    ptrdiff_t space = sp_str_chr(text, ' ');
    a->method = space < 0 ? SP_STR("GET") : sp_str_sub(text, 0, (size_t)space);
    a->url = space < 0 ? text : sp_str_trim(sp_str_sub(text, (size_t)space, text.len));
    a->https = sp_str_istarts(a->url, SP_STR("https://"));
    if (!a->https && !sp_str_istarts(a->url, SP_STR("http://")))
        return wrong(x, "--request", value, right);
    struct sp_str rest = sp_str_sub(a->url, a->https ? 8 : 7, a->url.len);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?' && rest.ptr[end] != '#')
        end++;
    a->authority = sp_str_sub(rest, 0, end);
    a->target = sp_str_sub(rest, end, rest.len);
    if (!a->target.len || a->target.ptr[0] != '/')
        a->target = sp_arena_cat(x->arena, SP_STR("/"), a->target);
    if (!sp_method_valid(a->method) || !take_port(a, &host) || !host.len)
        return wrong(x, "--request", value, right);
    struct sp_addr ip;
    if (!a->sni.ptr && sp_addr_parse_ip(host, &ip) < 0)
        a->sni = host;
    return 0;
}

static int set_header(struct ctx *x, const char *value)
{
    struct sp_str text = sp_str_c(value);
    ptrdiff_t colon = sp_str_chr(text, ':');
    if (colon <= 0)
        return wrong(x, "-H", value, "a header such as 'x-name: value'");
    if (x->a->n_headers == SP_EXPLAIN_MAX_HEADERS)
        return wrong(x, "-H", value, "one of the first 100");
    x->a->headers[x->a->n_headers].name = sp_str_sub(text, 0, (size_t)colon);
    x->a->headers[x->a->n_headers++].value = sp_str_trim(sp_str_sub(text, (size_t)colon + 1, text.len));
    return 0;
}

static int set_body(struct ctx *x, const char *value)
{
    x->a->has_body = true;
    if (value[0] != '@') {
        x->a->body = sp_str_c(value);
        return 0;
    }
    return sp_tool_read(value + 1, x->arena, &x->a->body) < 0 ? wrong(x, "--body", value, "@ and a file that can be read") : 0;
}

/* --- the client --- */

static int address(struct ctx *x, const char *option, const char *value, struct sp_addr *ret)
{
    return sp_addr_parse(sp_str_c(value), ret) < 0 ? wrong(x, option, value, "an IP address, with or without a port") : 0;
}

static int set_from(struct ctx *x, const char *value)
{
    return address(x, "--from", value, &x->a->from);
}

static int set_proxy_from(struct ctx *x, const char *value)
{
    return address(x, "--proxy-from", value, &x->a->proxy_from);
}

static int set_to(struct ctx *x, const char *value)
{
    return address(x, "--to", value, &x->a->to);
}

static int set_sni(struct ctx *x, const char *value)
{
    x->a->sni = sp_str_c(value);
    return 0;
}

static int set_alpn(struct ctx *x, const char *value)
{
    bool h2 = strcmp(value, "h2") == 0;
    if (!h2 && strcmp(value, "http/1.1") != 0)
        return wrong(x, "--alpn", value, "h2 or http/1.1");
    x->a->alpn[0] = h2 ? SP_STR("h2") : SP_STR("http/1.1");
    x->a->n_alpn = 1;
    x->a->alpn_given = true;
    return 0;
}

static int set_cert(struct ctx *x, const char *value)
{
    static const char right[] = "a file of PEM certificates, the client's first";
    struct sp_str text;
    struct sp_pem pem;
    const char *why;
    int r;
    if (sp_tool_read(value, x->arena, &text) < 0)
        return wrong(x, "--client-cert", value, right);
    while ((r = sp_pem_next(&text, x->arena, &pem, &why)) > 0)
        if (sp_str_eq(pem.label, SP_STR("CERTIFICATE")) && x->a->n_certs < SP_EXPLAIN_MAX_CERTS)
            x->a->certs[x->a->n_certs++] = pem.der;
    return r < 0 || !x->a->n_certs ? wrong(x, "--client-cert", value, right) : 0;
}

/* RFC 3339: seconds, with "Z" or an offset. */
static int set_time(struct ctx *x, const char *value)
{
    static const char right[] = "a time such as 2026-11-30T12:00:00Z";
    struct tm tm = {0};
    unsigned hours = 0, minutes = 0;
    char sign = 0;
    const char *rest = strptime(value, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return wrong(x, "--time", value, right);
    rest += *rest == '.' ? 1 + strspn(rest + 1, "0123456789") : 0;
    int n = -1;
    if (strcmp(rest, "Z") != 0 &&
        (sscanf(rest, "%c%2u:%2u%n", &sign, &hours, &minutes, &n) != 3 || n < 0 || rest[n] || (sign != '+' && sign != '-')))
        return wrong(x, "--time", value, right);
    int64_t offset = (int64_t)(hours * 3600 + minutes * 60) * (sign == '-' ? -1 : 1);
    x->a->wall_ns = ((int64_t)timegm(&tm) - offset) * 1000000000;
    return 0;
}

/* --- the rest --- */

static int set_config(struct ctx *x, const char *value)
{
    x->a->config_path = value;
    return *value ? 0 : wrong(x, "-c", value, "a path");
}

static int set_yaml(struct ctx *x, const char *value)
{
    x->a->config_yaml = value;
    return 0;
}

static int set_listener(struct ctx *x, const char *value)
{
    x->a->listener = value;
    return 0;
}

static int set_format(struct ctx *x, const char *value)
{
    x->a->json = strcmp(value, "json") == 0;
    return x->a->json || strcmp(value, "text") == 0 ? 0 : wrong(x, "--format", value, "text or json");
}

static int set_level(struct ctx *x, const char *value)
{
    return sp_log_level_parse(sp_str_c(value), &x->a->log_level) < 0 ? wrong(x, "-l", value, "a log level, such as info") : 0;
}

static int set_show(struct ctx *x, const char *value)
{
    (void)value;
    x->a->show_headers = true;
    return 0;
}

static int set_help(struct ctx *x, const char *value)
{
    (void)value;
    x->a->help = true;
    return 0;
}

static const struct option {
    const char *name;
    apply_fn *apply;
    bool flag; /* takes no value */
} options[] = {
    {"-c", set_config, false},
    {"--config-path", set_config, false},
    {"--config-yaml", set_yaml, false},
    {"--request", set_request, false},
    {"--from", set_from, false},
    {"-H", set_header, false},
    {"--header", set_header, false},
    {"--body", set_body, false},
    {"--sni", set_sni, false},
    {"--client-cert", set_cert, false},
    {"--alpn", set_alpn, false},
    {"--listener", set_listener, false},
    {"--proxy-from", set_proxy_from, false},
    {"--to", set_to, false},
    {"--time", set_time, false},
    {"--format", set_format, false},
    {"--show-headers", set_show, true},
    {"-l", set_level, false},
    {"--help", set_help, true},
    {"-h", set_help, true},
};

static const struct option *find(const char *arg, const char **ret_value)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(options); i++)
        if (sp_option_is(arg, options[i].name, ret_value))
            return &options[i];
    return NULL;
}

/* As a ClientHello's is read. */
static void lower_sni(struct ctx *x)
{
    struct sp_str s = sp_arena_str(x->arena, x->a->sni);
    for (size_t i = 0; i < s.len; i++)
        ((char *)(uintptr_t)s.ptr)[i] = sp_ascii_lower(s.ptr[i]);
    x->a->sni = s;
}

static int complete(struct ctx *x)
{
    const char *missing = NULL;
    lower_sni(x);
    if (!x->a->config_path && !x->a->config_yaml)
        missing = "which config? Give one with -c FILE";
    else if (!x->a->url.ptr)
        missing = "which request? Give one with --request 'GET https://api.example.com/v1/x'";
    else if (!x->a->from.family)
        missing = "whose request? Give the peer's address with --from IP";
    if (!missing)
        return 0;
    snprintf(x->why, x->why_size, "%s", missing);
    return -EINVAL;
}

int sp_explain_args(int argc, char **argv, struct sp_arena *arena, struct sp_explain_args *ret, char *why, size_t why_size)
{
    assert(argv && arena && ret && why && why_size);
    struct ctx x = {.a = ret, .arena = arena, .why = why, .why_size = why_size};
    *ret = (struct sp_explain_args){.log_level = SP_LOG_OFF, .alpn = {SP_STR_INIT("h2"), SP_STR_INIT("http/1.1")}, .n_alpn = 2};
    for (int i = 2; i < argc; i++) {
        const char *value;
        const struct option *o = find(argv[i], &value);
        if (!o) {
            snprintf(why, why_size, "unknown argument %.100s (sallyport explain --help lists them)", argv[i]);
            return -EINVAL;
        }
        if (!o->flag && !value && ++i < argc)
            value = argv[i];
        if (o->flag == (value != NULL)) {
            snprintf(why, why_size, o->flag ? "%s takes no value" : "%s needs a value", o->name);
            return -EINVAL;
        }
        int r = o->apply(&x, value);
        if (r < 0)
            return r;
    }
    return ret->help ? 0 : complete(&x);
}

void sp_explain_help(FILE *to)
{
    fputs("sallyport explain: what a config does to one request, and why; nothing is sent\n"
          "\n"
          "  sallyport explain -c FILE --request 'GET https://api.example.com/v1/x' --from 203.0.113.7\n"
          "\n"
          "  -c, --config-path FILE, --config-yaml YAML   the config, as the server takes them\n"
          "      --request 'METHOD URL'   the request; METHOD may be left out (GET)\n"
          "      --from IP[:PORT]         the TCP peer\n"
          "  -H, --header 'name: value'   a header of the request; again for each; -H 'host: x' for another Host\n"
          "      --body TEXT | @FILE      its body\n"
          "      --sni NAME               the TLS server name (default: the URL's host)\n"
          "      --client-cert FILE       the certificate that the client shows (PEM, its chain behind it; no key)\n"
          "      --alpn h2|http/1.1       what the client offers (default: both)\n"
          "      --listener NAME          the listener (default: by the URL's port, else by its scheme)\n"
          "      --to IP                  the address that it came to, where the listener has all of them\n"
          "      --proxy-from IP[:PORT]   the peer that a PROXY header names; --from is then the load balancer\n"
          "      --time RFC3339           when (default: now); for tokens and limits, not for certificates\n"
          "      --format text|json       (default text)\n"
          "      --show-headers           values of authorization, cookie and the like, too\n"
          "  -l LEVEL                     log what the server would log, to stderr (default off)\n"
          "\n"
          "Exit codes: 0 would be forwarded, or answered below 400; 1 config refused; 2 usage; 4 would be refused;\n"
          "5 cannot be decided without asking somebody on the network.\n",
          to);
}
