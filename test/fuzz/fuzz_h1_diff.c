/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP/1 messages as our codec reads them, beside http_parser, which is another's: whatever ours takes as a whole message, the other
 * one has to take too, with the same method or status, the same fields and the same body.  Who reads a message otherwise than the
 * next one in the row can be made to smuggle.  Byte 0: 0 requests, 1 to 3 an answer (to GET, HEAD, DELETE), and bits for options of
 * ours.  SP_SHOW=1 in the environment shows what both have read.
 */
#include <http_parser.h>
#include <stdio.h>

#include "h1_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 32 };

/* A message as text: "GET\nname:value\n...\n\nbody". */
struct message {
    char *text;
    size_t len, body; /* where the body begins */
    bool whole, nominates; /* there is a Connection header: fields may go by it */
    bool doubtful; /* http_parser goes by a framing that is not there, or not by one that is: see end_field */
};

struct list {
    struct message v[MOST];
    unsigned n;
};

static struct list ours, theirs;

static void list_clear(struct list *l)
{
    for (unsigned i = 0; i < l->n; i++)
        free(l->v[i].text);
    l->n = 0;
}

/* Fields that frame the message, or that ours keeps elsewhere, are not compared. */
static bool is_compared(struct sp_str name)
{
    enum sp_header_id id = sp_header_id(name);
    return id != SP_H_HOST && !sp_header_is_framing(id);
}

static void put_field(FILE *f, struct sp_str name, struct sp_str value)
{
    if (is_compared(name))
        fprintf(f, "%.*s:%.*s\n", SP_STR_ARG(name), SP_STR_ARG(value));
}

/* --- ours --- */

static void on_message(struct user *u)
{
    struct message *m = &ours.v[ours.n];
    if (ours.n == MOST)
        return;
    ours.n++;
    FILE *f = open_memstream(&m->text, &m->len);
    CHECK(f && u->head);
    if (u->head->status)
        fprintf(f, "%u\n", u->head->status);
    else
        fprintf(f, "%.*s\n", SP_STR_ARG(u->head->method));
    for (unsigned i = 0; i < u->head->n; i++)
        put_field(f, u->head->v[i].name, u->head->v[i].value);
    fputc('\n', f);
    fflush(f);
    m->body = m->len;
    for (const struct sp_seg *s = u->body.head; s; s = s->next)
        fwrite(s->ptr, 1, s->len, f);
    fclose(f);
    m->whole = true;
}

/* --- theirs --- */

struct other {
    FILE *f;
    char name[70000]; /* more than an input has */
    size_t name_len;
    char *value;
    size_t value_len;
    bool in_value, in_body, no_body, tunnel;
    char stop; /* the byte where it refused to go on */
};

static struct message *current(void)
{
    return &theirs.v[theirs.n - 1];
}

/*
 * Two faults of http_parser in the head: it takes every field whose name begins with transfer-encoding for that field, and a tab behind
 * "chunked" for a part of it, though white space behind a value is none of it (RFC 9112 section 5, RFC 9110 section 5.6.3).
 */
static bool is_doubtful(struct sp_str name, struct sp_str value)
{
    struct sp_str te = SP_STR("transfer-encoding");
    if (!sp_str_starts(name, te))
        return false;
    return name.len > te.len || (value.len && sp_str_chr(sp_str_sub(value, sp_str_trim(value).len, value.len), '\t') >= 0);
}

static void end_field(struct other *o)
{
    if (!o->in_value)
        return;
    o->in_value = false;
    struct sp_str name = sp_str_n(o->name, o->name_len), value = sp_str_n(o->value, o->value_len);
    if (!o->in_body) {
        put_field(o->f, name, sp_str_trim(value));
        if (sp_header_id(name) == SP_H_CONNECTION)
            current()->nominates = true;
        if (is_doubtful(name, value))
            current()->doubtful = true;
    }
    o->name_len = 0;
    free(o->value);
    o->value = NULL;
    o->value_len = 0;
}

static int begin(http_parser *p)
{
    struct other *o = p->data;
    if (theirs.n == MOST)
        return 1;
    struct message *m = &theirs.v[theirs.n++];
    *m = (struct message){0};
    o->in_body = false;
    o->f = open_memstream(&m->text, &m->len);
    CHECK(o->f);
    return 0;
}

static int field(http_parser *p, const char *at, size_t n)
{
    struct other *o = p->data;
    end_field(o);
    for (; n && o->name_len < sizeof(o->name); at++, n--)
        o->name[o->name_len++] = sp_ascii_lower(*at);
    return 0;
}

static int value(http_parser *p, const char *at, size_t n)
{
    struct other *o = p->data;
    o->in_value = true;
    o->value = realloc(o->value, o->value_len + n + 1);
    CHECK(o->value);
    memcpy(o->value + o->value_len, at, n);
    o->value_len += n;
    return 0;
}

static int head_end(http_parser *p)
{
    struct other *o = p->data;
    end_field(o);
    char *rest;
    fputc('\n', o->f);
    fflush(o->f);
    /* The line that the head begins with is put first. */
    struct message *m = current();
    int at = p->type == HTTP_REQUEST ? asprintf(&rest, "%s\n%s", http_method_str(p->method), m->text)
                                     : asprintf(&rest, "%u\n%s", p->status_code, m->text);
    CHECK(at > 0);
    fclose(o->f);
    free(m->text);
    o->f = open_memstream(&m->text, &m->len);
    CHECK(o->f);
    fwrite(rest, 1, (size_t)at, o->f);
    fflush(o->f);
    free(rest);
    m->body = m->len;
    o->in_body = true;
    o->tunnel = p->upgrade;
    /* http_parser leaves it to its user to know which answers have no body, whatever their length says (RFC 9112 section 6.3). */
    return o->no_body || p->status_code == 204 || p->status_code == 304 ? 1 : 0;
}

static int body(http_parser *p, const char *at, size_t n)
{
    fwrite(at, 1, n, ((struct other *)p->data)->f);
    return 0;
}

static int message_end(http_parser *p)
{
    struct other *o = p->data;
    end_field(o);
    fclose(o->f);
    o->f = NULL;
    current()->whole = true;
    if (p->type == HTTP_RESPONSE && p->status_code < 200 && !o->tunnel) /* an interim one: ours counts the last */
        free(theirs.v[--theirs.n].text);
    return 0;
}

static enum http_errno parse_theirs(const uint8_t *data, size_t size, unsigned kind, struct other *o)
{
    static const http_parser_settings settings = {.on_message_begin = begin, .on_header_field = field, .on_header_value = value,
                                                  .on_headers_complete = head_end, .on_body = body, .on_message_complete = message_end};
    http_parser p;
    http_parser_init(&p, kind ? HTTP_RESPONSE : HTTP_REQUEST);
    p.data = o;
    o->no_body = kind == 2;
    size_t n = http_parser_execute(&p, &settings, (const char *)data, size);
    o->stop = n < size ? (char)data[n] : '\0';
    if (n == size && !p.upgrade && HTTP_PARSER_ERRNO(&p) == HPE_OK)
        http_parser_execute(&p, &settings, NULL, 0);
    if (o->f) {
        end_field(o);
        fclose(o->f);
        o->f = NULL;
    }
    free(o->value);
    return HTTP_PARSER_ERRNO(&p);
}

/* --- both --- */

/* Where http_parser refuses `m`, or NULL what it did not come to, and we may take it. */
static bool is_excused(const struct other *o, enum http_errno err, const struct message *m)
{
    bool length = sp_str_eq(sp_str_n(o->name, o->name_len), SP_STR("content-length"));
    switch (err) {
    case HPE_INVALID_METHOD: /* one that it has no name for */
    case HPE_INVALID_URL: /* characters of targets */
    case HPE_INVALID_HOST:
    case HPE_INVALID_VERSION:
    case HPE_CLOSED_CONNECTION: /* behind a last message */
    case HPE_CB_message_begin: /* there are too many for this program */
        return true;
    case HPE_INVALID_TRANSFER_ENCODING:
        return m && m->doubtful;
    case HPE_INVALID_CONTENT_LENGTH: /* a tab behind the number: as in is_doubtful */
        if (m && length && !o->in_body && o->stop == '\t')
            return true;
        __attribute__((fallthrough));
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        /* It goes by one among the trailers too, where it means nothing and is to be passed over (RFC 9110 section 6.5.1). */
        return m && (m->doubtful || (length && o->in_body));
    default:
        return false;
    }
}

static void compare(const struct other *o, enum http_errno err, bool request)
{
    for (unsigned i = 0; getenv("SP_SHOW") && i < SP_MAX(ours.n, theirs.n); i++)
        fprintf(stderr, "%s\nours: \"%s\"\ntheirs: \"%s\"\n", http_errno_name(err), i < ours.n ? ours.v[i].text : "",
                i < theirs.n ? theirs.v[i].text : "");
    for (unsigned i = 0; i < ours.n; i++) {
        const struct message *a = &ours.v[i], *b = &theirs.v[i];
        if (i >= theirs.n || !b->whole) {
            CHECK(o->tunnel || is_excused(o, err, i < theirs.n ? b : NULL));
            return;
        }
        if (!b->nominates)
            CHECK(a->body == b->body && memcmp(a->text, b->text, a->body) == 0);
        if (b->doubtful && !request) /* for which it reads until the end of the connection */
            return;
        CHECK(a->len - a->body == b->len - b->body && memcmp(a->text + a->body, b->text + b->body, a->len - a->body) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run r;
    static struct other other;
    if (size < 2)
        return 0;
    memset(&other, 0, offsetof(struct other, name));
    memset((char *)&other + offsetof(struct other, name_len), 0, sizeof(other) - offsetof(struct other, name_len));
    unsigned kind = data[0] & 3, flags = data[0] >> 2 & 3;
    list_clear(&ours);
    list_clear(&theirs);
    run_begin(&r, flags, kind == 0, 0);
    r.on_message = on_message;
    if (kind)
        run_request(&r, kind - 1);
    run_feed(&r, data + 1, size - 1, size);
    run_end(&r);
    run_forget(&r);
    enum http_errno err = parse_theirs(data + 1, size - 1, kind, &other);
    compare(&other, err, kind == 0);
    return 0;
}
