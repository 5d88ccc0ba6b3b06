/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/top.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/top_ask.h"
#include "tools/top_term.h"
#include "tools/verb.h"

enum { TIMEOUT_MS = 5000, FILTER_MAX = 64, BATCH_WIDTH = 120, LEAST_WIDTH = 24, LEAST_HEIGHT = 6 };

struct top {
    /* Arguments. */
    const char *admin, *config;
    bool json, no_color;
    unsigned batch; /* answers to print; 0: a terminal */
    unsigned interval_ms;
    /* What runs. */
    struct sp_addr to;
    char path[SP_ADDR_TEXT_MAX + 4]; /* of `to`, where the config names it */
    struct sp_top_ask ask;
    struct sp_top_model model;
    bool asks_refused; /* the question is /refused, which may fail: older ones have it not */
    uint64_t due_ms, began_ms; /* the next question; when the last one began */
    char lost[300];
    /* The screen. */
    enum sp_top_sort sort;
    enum sp_top_part part;
    char filter[FILTER_MAX];
    bool typing, helps, paused, quits;
    unsigned scroll;
};

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- asking ---- */

static void begin(struct top *t)
{
    t->began_ms = now_ms();
    t->due_ms = t->began_ms + t->interval_ms;
    t->asks_refused = false;
    sp_top_ask_begin(&t->ask, "/overview?limit=10000");
}

/* Only while it is looked at. */
static void begin_refused(struct top *t)
{
    t->began_ms = now_ms();
    t->asks_refused = true;
    sp_top_ask_begin(&t->ask, "/refused?limit=100&format=json");
}

/* Waits for the answer, a key or a signal, as long as `until`. */
static void wait_some(struct top *t, uint64_t until, bool keys)
{
    uint64_t now = now_ms(), give_up = t->began_ms + TIMEOUT_MS;
    short events = sp_top_ask_events(&t->ask);
    struct pollfd p[2] = {{.fd = events ? t->ask.fd : -1, .events = events}, {.fd = keys ? STDIN_FILENO : -1, .events = POLLIN}};
    if (events)
        until = SP_MIN(until, give_up);
    uint64_t ms = until > now ? until - now : 0;
    const struct timespec wait = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    if (ppoll(p, 2, &wait, keys ? sp_top_term_mask() : NULL) > 0 && p[0].revents)
        sp_top_ask_run(&t->ask);
    if (sp_top_ask_events(&t->ask) && now_ms() >= give_up)
        sp_top_ask_fail(&t->ask, "no answer for five seconds");
}

/* The answer has come, or will not. */
static bool take(struct top *t)
{
    bool good = false;
    if (t->asks_refused) {
        if (t->ask.state == SP_TOP_DONE && t->ask.status == 200)
            sp_top_model_take_refused(&t->model, t->ask.body, t->ask.n_body);
        t->ask.state = SP_TOP_IDLE;
        return true;
    }
    if (t->ask.state == SP_TOP_FAILED)
        snprintf(t->lost, sizeof(t->lost), "%s", t->ask.why);
    else if (t->ask.status != 200)
        snprintf(t->lost, sizeof(t->lost), "/overview is answered with %u%s", t->ask.status,
                 t->ask.status == 403 ? " (allow_paths of the admin page has to have it)" : "");
    else if (!sp_top_model_take(&t->model, t->ask.body, t->ask.n_body))
        snprintf(t->lost, sizeof(t->lost), "what answers is no sallyport, or another version");
    else
        good = true;
    if (good)
        t->lost[0] = 0;
    t->ask.state = SP_TOP_IDLE;
    return good;
}

static bool is_over(const struct top *t)
{
    return t->ask.state == SP_TOP_DONE || t->ask.state == SP_TOP_FAILED;
}

static int unreachable(const struct top *t)
{
    char text[SP_ADDR_TEXT_MAX];
    sp_addr_format(&t->to, text);
    fprintf(stderr, "sallyport: top: the admin page at %s: %s (which one? --admin ADDRESS, or -c FILE to look it up)\n", text, t->lost);
    return 1;
}

/* ---- as text ---- */

static void print_text(const struct top *t, unsigned width)
{
    struct sp_top_view v;
    sp_top_view_init(&v, width);
    sp_top_view_head(&v, &t->model, NULL);
    static const enum sp_top_part parts[] = {SP_TOP_LISTENERS, SP_TOP_FILTERS, SP_TOP_CERTS, SP_TOP_CLUSTERS};
    for (size_t i = 0; i < SP_ARRAY_LEN(parts); i++)
        sp_top_view_body(&v, &t->model, parts[i], t->sort);
    for (unsigned i = 0; i < v.n; i++)
        printf("%s\n", v.v[i].text);
    printf("\n");
    sp_top_view_done(&v);
}

static void print(struct top *t)
{
    sp_top_model_rows(&t->model, t->sort, t->filter);
    if (t->json) {
        json_t *j = sp_top_model_json(&t->model);
        json_dumpf(j, stdout, JSON_COMPACT);
        printf("\n");
        json_decref(j);
    } else {
        print_text(t, BATCH_WIDTH);
    }
    fflush(stdout);
}

/* One answer more than is printed: rates need two. */
static int batch(struct top *t)
{
    for (unsigned i = 0; i <= t->batch; i++) {
        while (now_ms() < t->due_ms)
            poll(NULL, 0, (int)(t->due_ms - now_ms() + 1));
        begin(t);
        while (!is_over(t))
            wait_some(t, UINT64_MAX, false);
        if (!take(t))
            return unreachable(t);
        if (i)
            print(t);
        if (ferror(stdout))
            return 1;
    }
    return 0;
}

/* ---- in a terminal ---- */

static void footer(struct top *t, struct sp_top_view *v, unsigned first, unsigned last, unsigned n)
{
    if (t->typing)
        sp_top_view_line(v, SP_TOP_HEAD, "/%s_", t->filter);
    else
        sp_top_view_line(v, SP_TOP_DIM, "q quit  s sort  / filter%s%s  1-6 parts  p %s  ? help   %u-%u of %u", *t->filter ? ": " : "",
                         t->filter, t->paused ? "goes on" : "pause", n ? first + 1 : 0, last, n);
}

static void draw(struct top *t)
{
    struct sp_top_view head, body;
    unsigned width, height;
    sp_top_term_size(&width, &height);
    sp_top_view_init(&head, width);
    sp_top_view_init(&body, width);
    if (width < LEAST_WIDTH || height < LEAST_HEIGHT) {
        sp_top_view_line(&head, SP_TOP_PLAIN, "too small: %ux%u", width, height);
        sp_top_term_draw(head.v, head.n);
    } else {
        sp_top_model_rows(&t->model, t->sort, t->filter);
        sp_top_view_head(&head, &t->model, *t->lost ? t->lost : NULL);
        if (t->helps)
            sp_top_view_help(&body);
        else
            sp_top_view_body(&body, &t->model, t->part, t->sort);
        sp_top_view_line(&head, SP_TOP_PLAIN, "%s", "");
        unsigned room = height > head.n + 1 ? height - head.n - 1 : 1, most = body.n > room ? body.n - room : 0;
        t->scroll = SP_MIN(t->scroll, most);
        unsigned last = SP_MIN(t->scroll + room, body.n);
        for (unsigned i = t->scroll; i < last; i++)
            sp_top_view_line(&head, body.v[i].style, "%s", body.v[i].text);
        while (head.n + 1 < height)
            sp_top_view_line(&head, SP_TOP_PLAIN, "%s", "");
        footer(t, &head, t->scroll, last, body.n);
        sp_top_term_draw(head.v, SP_MIN(head.n, height));
    }
    sp_top_view_done(&head);
    sp_top_view_done(&body);
}

static void type(struct top *t, int key)
{
    size_t n = strlen(t->filter);
    if (key == SP_KEY_ENTER || key == SP_KEY_ESC) {
        t->typing = false;
        if (key == SP_KEY_ESC)
            t->filter[0] = 0;
    } else if (key == SP_KEY_BACKSPACE && n) {
        t->filter[n - 1] = 0;
    } else if (key < 256 && isprint(key) && n + 1 < sizeof(t->filter)) {
        t->filter[n] = (char)key;
        t->filter[n + 1] = 0;
    }
}

static unsigned page(void)
{
    unsigned width, height;
    sp_top_term_size(&width, &height);
    return height > 8 ? height - 6 : 2;
}

static void move(struct top *t, int key)
{
    unsigned by = key == SP_KEY_PAGE_UP || key == SP_KEY_PAGE_DOWN ? page() : 1;
    if (key == SP_KEY_UP || key == SP_KEY_PAGE_UP)
        t->scroll -= SP_MIN(by, t->scroll);
    else if (key == SP_KEY_DOWN || key == SP_KEY_PAGE_DOWN)
        t->scroll += by; /* drawing bounds it */
    else if (key == SP_KEY_HOME)
        t->scroll = 0;
    else if (key == SP_KEY_END)
        t->scroll = 1u << 30;
}

static void press(struct top *t, int key)
{
    if (t->typing) {
        type(t, key);
        return;
    }
    move(t, key);
    if (key >= '1' && key < '1' + SP_TOP_PARTS) {
        t->part = (enum sp_top_part)(key - '1');
        t->due_ms = t->part == SP_TOP_REFUSED ? 0 : t->due_ms; /* at once */
        t->scroll = 0;
        t->helps = false;
    } else if (key == 'q' || key == 3) {
        t->quits = true;
    } else if (key == 's') {
        t->sort = (t->sort + 1) % SP_TOP_SORTS;
    } else if (key == '/') {
        t->typing = true;
    } else if (key == 'p') {
        t->paused = !t->paused;
    } else if (key == '?' || key == 'h' || (key == SP_KEY_ESC && t->helps)) {
        t->helps = !t->helps;
        t->scroll = 0;
    } else if (key == SP_KEY_ESC) {
        t->filter[0] = 0;
    }
}

static void keys(struct top *t)
{
    for (int key; !t->quits && (key = sp_top_term_key()) != SP_KEY_NONE;) {
        press(t, key);
        draw(t);
    }
}

/* There was a first answer: from now on a page that does not answer is waited for. */
static void screen(struct top *t)
{
    draw(t);
    while (!t->quits && !sp_top_term_ended() && !sp_top_term_hung_up()) {
        uint64_t now = now_ms();
        bool asks = sp_top_ask_events(&t->ask);
        if (!asks && !t->paused && now >= t->due_ms)
            begin(t);
        wait_some(t, sp_top_ask_events(&t->ask) || t->paused ? now + 1000 : t->due_ms, true);
        bool fresh = is_over(t);
        if (fresh && take(t) && t->part == SP_TOP_REFUSED && !t->asks_refused)
            begin_refused(t);
        if (sp_top_term_resized() || fresh)
            draw(t);
        keys(t);
    }
}

static int interactive(struct top *t)
{
    const char *name = getenv("TERM"), *plain = getenv("NO_COLOR");
    bool color = !t->no_color && !(plain && *plain) && !(name && strcmp(name, "dumb") == 0);
    begin(t);
    while (!is_over(t))
        wait_some(t, UINT64_MAX, false);
    if (!take(t))
        return unreachable(t);
    if (!sp_top_term_open(color)) { /* into a pipe or file: once */
        t->batch = 1;
        return batch(t);
    }
    screen(t);
    sp_top_term_close();
    return 0;
}

/* ---- arguments ---- */

static const char *take_admin(void *ctx, const char *value)
{
    ((struct top *)ctx)->admin = value;
    return sp_top_address(value, &((struct top *)ctx)->to) ? NULL : "an address (127.0.0.1:9901, [::1]:9901, unix:/run/x.sock)";
}

static const char *take_config(void *ctx, const char *value)
{
    ((struct top *)ctx)->config = value;
    return NULL;
}

static const char *take_batch(void *ctx, const char *value)
{
    uint64_t n;
    if (sp_str_u64(sp_str_c(value), 1000000000, &n) < 0 || !n)
        return "a number of times";
    ((struct top *)ctx)->batch = (unsigned)n;
    return NULL;
}

static const char *take_once(void *ctx, const char *value)
{
    (void)value;
    ((struct top *)ctx)->batch = 1;
    return NULL;
}

static const char *take_json(void *ctx, const char *value)
{
    struct top *t = ctx;
    (void)value;
    t->json = true;
    if (!t->batch)
        t->batch = 1;
    return NULL;
}

static const char *take_no_color(void *ctx, const char *value)
{
    (void)value;
    ((struct top *)ctx)->no_color = true;
    return NULL;
}

static const char *take_interval(void *ctx, const char *value)
{
    char *end;
    double s = strtod(value, &end);
    if (*end || end == value || !(s >= .1 && s <= 3600))
        return "seconds, 0.1 to 3600";
    ((struct top *)ctx)->interval_ms = (unsigned)(s * 1000);
    return NULL;
}

static const char *take_filter(void *ctx, const char *value)
{
    snprintf(((struct top *)ctx)->filter, FILTER_MAX, "%s", value);
    return strlen(value) < FILTER_MAX ? NULL : "so short (63 letters)";
}

static const char *take_sort(void *ctx, const char *value)
{
    static const char *const names[SP_TOP_SORTS] = {"trouble", "requests", "errors", "p99", "name"};
    for (int i = 0; i < SP_TOP_SORTS; i++)
        if (strcmp(value, names[i]) == 0) {
            ((struct top *)ctx)->sort = (enum sp_top_sort)i;
            return NULL;
        }
    return "trouble, requests, errors, p99 or name";
}

static void help(FILE *to)
{
    fputs("sallyport top: how a running sallyport fares, refreshed every second\n"
          "\n"
          "  --admin ADDRESS      its admin page: 127.0.0.1:9901 (default), [::1]:9901, unix:/run/sallyport/admin.sock\n"
          "  -c FILE              the admin page that this config names\n"
          "  --interval SECONDS   default 1\n"
          "  --once               print plain text once, after an interval\n"
          "  --batch N            the same N times\n"
          "  --json               the same as JSON, an object a line\n"
          "  --sort ORDER         of clusters: trouble (default), requests, errors, p99, name\n"
          "  --filter LETTERS     only names with these letters\n"
          "  --no-color           NO_COLOR in the environment does the same\n"
          "\n"
          "Keys: q quits, s sorts, / filters, 1 to 6 choose a part, arrows scroll, p pauses, ? has them all.\n"
          "It reads /overview of the admin page, and changes nothing.\n"
          "\n"
          "Exit codes: 0; 1 the admin page does not answer, or FILE is refused; 2 usage.\n",
          to);
}

/* What the config says of its admin page. */
static void look(void *ctx, const struct sp_doc *doc)
{
    struct top *t = ctx;
    const Envoy__Config__Bootstrap__V3__Bootstrap *b = sp_doc_root(doc);
    const Envoy__Config__Core__V3__Address *a = b->admin ? b->admin->address : NULL;
    if (!a)
        return;
    if (a->address_case == ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE) {
        snprintf(t->path, sizeof(t->path), "%s", a->pipe->path);
        sp_top_address(t->path, &t->to);
    } else if (a->socket_address && sp_addr_parse_ip(sp_str_c(a->socket_address->address), &t->to) == 0) {
        t->to.port = (uint16_t)a->socket_address->port_value;
    }
}

static int find_admin(struct top *t)
{
    const struct sp_options o = {.config_path = t->config};
    char *said;
    t->to.family = 0;
    int code = sp_verb_load(&o, look, t, &said);
    if (code)
        fputs(said, stderr);
    else if (!t->to.family)
        fprintf(stderr, "sallyport: top: %s has no admin page (admin: {address: ...})\n", t->config);
    free(said);
    return code || !t->to.family ? SP_EXIT_CONFIG : 0;
}

int sp_top_main(int argc, char **argv)
{
    assert(argv && argc >= 2);
    struct top t = {.interval_ms = 1000};
    static const struct sp_verb_option options[] = {
        {"--admin", true, take_admin}, {"-c", true, take_config}, {"--config-path", true, take_config}, {"--batch", true, take_batch},
        {"--once", false, take_once}, {"--json", false, take_json}, {"--no-color", false, take_no_color},
        {"--interval", true, take_interval}, {"--filter", true, take_filter}, {"--sort", true, take_sort}};
    const struct sp_verb verb = {"top", options, SP_ARRAY_LEN(options), &t, help};
    char why[256] = "";
    sp_top_address("127.0.0.1:9901", &t.to);
    for (int i = 2; i < argc && !why[0]; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help(stdout);
            return SP_EXIT_OK;
        }
        if (!sp_verb_take(&verb, argc, argv, &i, why, sizeof(why)))
            snprintf(why, sizeof(why), "\"%.100s\" is no option", argv[i]);
    }
    if (!why[0] && t.admin && t.config)
        snprintf(why, sizeof(why), "--admin or -c, not both");
    if (why[0]) {
        fprintf(stderr, "sallyport: top: %s\nTry sallyport top --help.\n", why);
        return SP_EXIT_USAGE;
    }
    int code = t.config ? find_admin(&t) : 0;
    if (code)
        return code;
    sp_top_ask_init(&t.ask, &t.to);
    sp_top_model_init(&t.model);
    code = t.batch ? batch(&t) : interactive(&t);
    sp_top_model_done(&t.model);
    sp_top_ask_done(&t.ask);
    sp_arena_thread_done();
    return code;
}
