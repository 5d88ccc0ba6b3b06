/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/explain_text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { LABEL = 13, MISSES = 5, BODY_LINES = 20 };

static const char *str(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s ? s : "";
}

/* No byte that a request or a config brought steers the terminal. */
static void put(FILE *to, const char *s)
{
    char *text = sp_str_dup(sp_str_c(s));
    sp_text_tame(text, strlen(text));
    fputs(text, to);
    free(text);
}

static void label(FILE *to, const char *name)
{
    fprintf(to, "%-*s ", LABEL, name);
}

static void end_line(FILE *to, const json_t *o)
{
    const char *place = str(o, "place");
    if (*place) {
        fputs("  [", to);
        put(to, place);
        fputc(']', to);
    }
    fputc('\n', to);
}

static void part(FILE *to, const char *before, const char *s, const char *after)
{
    if (!*s)
        return;
    fputs(before, to);
    put(to, s);
    fputs(after, to);
}

static void list(FILE *to, const json_t *lines)
{
    size_t i;
    json_t *v;
    json_array_foreach(lines, i, v)
    {
        label(to, "");
        fputs("  ", to);
        put(to, json_string_value(v));
        fputc('\n', to);
    }
}

static void misses(FILE *to, const json_t *step)
{
    const json_t *all = json_object_get(step, "not"), *m;
    size_t i, n = json_array_size(all);
    json_array_foreach(all, i, m)
    {
        if (i == MISSES)
            break;
        label(to, "");
        fprintf(to, "  not #%lld", (long long)json_integer_value(json_object_get(m, "index")));
        part(to, " \"", str(m, "name"), "\"");
        part(to, ": ", str(m, "why"), "");
        end_line(to, m);
    }
    if (n > MISSES) {
        label(to, "");
        fprintf(to, "  and %zu others\n", n - MISSES);
    }
}

static void headers(FILE *to, const json_t *lines, const char *indent)
{
    size_t i;
    json_t *v;
    json_array_foreach(lines, i, v)
    {
        fputs(indent, to);
        put(to, json_string_value(json_array_get(v, 0)));
        fputs(": ", to);
        put(to, json_string_value(json_array_get(v, 1)));
        fputc('\n', to);
    }
}

static void head(FILE *to, const json_t *h, const char *indent)
{
    fputs(indent, to);
    put(to, str(h, "method"));
    part(to, " ", str(h, "scheme"), "://");
    put(to, str(h, "authority"));
    put(to, str(h, "path"));
    fputc('\n', to);
    headers(to, json_object_get(h, "headers"), indent);
}

static void route_step(FILE *to, const json_t *step)
{
    part(to, "virtual host \"", str(step, "virtual_host"), "\"");
    part(to, " (domain ", str(step, "domain"), ")");
    const json_t *index = json_object_get(step, "index");
    if (index)
        fprintf(to, ", route #%lld", (long long)json_integer_value(index));
    part(to, " \"", str(step, "name"), "\"");
    part(to, *str(step, "virtual_host") ? ": " : "", str(step, "why"), "");
    end_line(to, step);
    misses(to, step);
}

static void tls_step(FILE *to, const json_t *step)
{
    fputs(str(step, "verdict"), to);
    part(to, ", ", str(step, "version"), "");
    part(to, ", server name ", str(step, "sni"), "");
    part(to, ", ALPN ", str(step, "alpn"), "");
    part(to, ", shows ", str(step, "server_certificate"), "");
    part(to, "; ", str(step, "why"), "");
    part(to, ": ", str(step, "client_certificate"), "");
    end_line(to, step);
}

static void other_step(FILE *to, const json_t *step)
{
    const json_t *status = json_object_get(step, "status"), *index = json_object_get(step, "index");
    part(to, "", str(step, "name"), " ");
    if (strcmp(str(step, "type"), str(step, "name")) != 0)
        part(to, "(", str(step, "type"), ") ");
    if (index)
        fprintf(to, "#%lld ", (long long)json_integer_value(index));
    put(to, str(step, "verdict"));
    if (status)
        fprintf(to, " %lld", (long long)json_integer_value(status));
    part(to, ": ", str(step, "why"), "");
    part(to, " (on trial, would refuse: ", str(step, "shadow"), ")");
    end_line(to, step);
    list(to, json_object_get(step, "does"));
    if (strcmp(str(step, "stage"), "asks") == 0)
        head(to, json_object_get(step, "request"), "                ");
}

static void steps(FILE *to, const json_t *all)
{
    size_t i;
    json_t *step;
    json_array_foreach(all, i, step)
    {
        const char *stage = str(step, "stage");
        label(to, stage);
        if (strcmp(stage, "route") == 0)
            route_step(to, step);
        else if (strcmp(stage, "tls") == 0)
            tls_step(to, step);
        else
            other_step(to, step);
    }
}

static void ms(FILE *to, const json_t *o, const char *name, const char *word)
{
    const json_t *v = json_object_get(o, name);
    if (v)
        fprintf(to, ", %s %g s", word, (double)json_integer_value(v) / 1000);
}

static void names(FILE *to, const json_t *list)
{
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v)
        part(to, i ? ", " : ", a host that DNS gives for ", json_string_value(v), "");
}

static void copies(FILE *to, const json_t *list)
{
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v)
    {
        label(to, "copy");
        part(to, "cluster ", str(v, "cluster"), "");
        part(to, ", named by ", str(v, "cluster_header"), "");
        part(to, ", of ", str(v, "share"), "");
        fputc('\n', to);
    }
}

static void upstream(FILE *to, const json_t *up)
{
    if (!up)
        return;
    json_int_t retries = json_integer_value(json_object_get(up, "retries"));
    label(to, "upstream");
    part(to, "cluster ", str(up, "cluster"), "");
    part(to, ", host ", str(up, "host"), "");
    part(to, " (", str(up, "hostname"), ")");
    if (json_object_get(up, "by_dns"))
        names(to, json_object_get(up, "by_dns"));
    else if (!*str(up, "host"))
        fputs(", which has no host to send it to", to);
    part(to, ", ", str(up, "protocol"), "");
    fputs(json_is_true(json_object_get(up, "tls")) ? ", TLS" : ", no TLS", to);
    part(to, ", server name ", str(up, "sni"), "");
    part(to, ", certificate for ", str(up, "verify_name"), "");
    ms(to, up, "timeout_ms", "timeout");
    ms(to, up, "per_try_timeout_ms", "each try");
    ms(to, up, "connect_timeout_ms", "connect");
    if (retries)
        fprintf(to, ", %lld retries", (long long)retries);
    if (json_is_true(json_object_get(up, "follows_redirects")))
        fputs(", its redirects are followed here", to);
    fputc('\n', to);
    head(to, json_object_get(up, "request"), "                ");
    copies(to, json_object_get(up, "copies"));
}

static void answer(FILE *to, const json_t *a)
{
    if (!a)
        return;
    label(to, "answer");
    fprintf(to, "%lld", (long long)json_integer_value(json_object_get(a, "status")));
    part(to, " ", str(a, "details"), "");
    fputc('\n', to);
    headers(to, json_object_get(a, "headers"), "                ");
    part(to, "                ", str(a, "body"), "\n");
}

void sp_explain_text(const json_t *root, FILE *to)
{
    assert(root && to);
    const json_t *q = json_object_get(root, "request");
    label(to, "request");
    put(to, str(q, "method"));
    part(to, " ", str(q, "url"), "");
    part(to, " from ", str(q, "from"), "");
    part(to, ", ", str(root, "protocol"), "");
    fputc('\n', to);
    steps(to, json_object_get(root, "steps"));
    upstream(to, json_object_get(root, "upstream"));
    answer(to, json_object_get(root, "answer"));
    label(to, "verdict");
    put(to, str(root, "verdict"));
    part(to, ": ", str(root, "why"), "");
    fputc('\n', to);
}
