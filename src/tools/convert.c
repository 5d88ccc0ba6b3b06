/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/convert.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "server/options.h"
#include "tools/convert_parts.h"
#include "tools/tool_file.h"
#include "tools/verb.h"

enum { HTTP_PORT = 8000, HTTPS_PORT = 8443 };

struct args {
    const char *in, *out; /* out NULL: stdout */
    bool strict, help;
    unsigned http_port, https_port;
};

static void help(FILE *to)
{
    fputs("sallyport convert: Kong's declarative format (decK) to a config of this program\n"
          "\n"
          "  sallyport convert kong.yaml -o door.yaml\n"
          "\n"
          "  -o FILE            write there; keys and certificates into files beside it that only you may read\n"
          "                     (default: to stdout, with them inline)\n"
          "      --http PORT    of the listener without TLS (default 8000), 0: none\n"
          "      --https PORT   of the one with TLS (default 8443); there is one if the file has certificates\n"
          "      --strict       exit 1 when something was not carried over\n"
          "\n"
          "What is not carried over, and what differs, is listed on stderr with its place. A route that would lose what guards\n"
          "it answers 403. See docs/convert-kong.md.\n"
          "\n"
          "Exit codes: 0 converted; 1 not, or not all of it with --strict; 2 usage.\n",
          to);
}

/* --- files --- */

static bool parse(struct sp_convert *c, const char *path)
{
    struct sp_diag diag;
    struct sp_str text;
    struct sp_node *root = NULL;
    assert(path);
    size_t n = strlen(path);
    int err = sp_tool_read(path, &c->file.arena, &text);
    if (err) {
        fprintf(stderr, "sallyport convert: cannot read %s: %s\n", path, strerrordesc_np(-err));
        return false;
    }
    sp_diag_init(&diag);
    bool json = n > 5 && strcmp(path + n - 5, ".json") == 0;
    err = (json ? sp_node_parse_json : sp_node_parse_yaml)(&c->file.arena, path, text, &diag, &root);
    sp_diag_print(&diag, stderr);
    sp_diag_done(&diag);
    c->file.root = root;
    if (!err && (!root || root->kind != SP_NODE_MAP))
        fprintf(stderr, "%s: it is not Kong's declarative format (an object with _format_version)\n", path);
    return !err && root && root->kind == SP_NODE_MAP;
}

/* "/etc/sallyport" and "door" of "/etc/sallyport/door.yaml". False: there is no such directory. */
static bool split_out(struct sp_convert *c, const char *out)
{
    struct sp_str s = sp_str_c(out);
    size_t slash = s.len;
    while (slash && s.ptr[slash - 1] != '/')
        slash--;
    struct sp_str dir = slash ? sp_arena_str(&c->arena, sp_str_n(s.ptr, slash)) : SP_STR(".");
    char *real = realpath(dir.ptr, NULL);
    if (!real) {
        fprintf(stderr, "sallyport convert: -o %s: %s\n", out, strerrordesc_np(errno));
        return false;
    }
    c->dir = sp_arena_str(&c->arena, sp_str_c(real)).ptr;
    free(real);
    struct sp_str stem = sp_str_sub(s, slash, s.len);
    ptrdiff_t dot = sp_str_chr(stem, '.');
    c->stem = sp_arena_str(&c->arena, dot > 0 ? sp_str_n(stem.ptr, (size_t)dot) : stem).ptr;
    return true;
}

static int write_out(struct sp_convert *c, const char *out, char *text, size_t len)
{
    int err = 0;
    if (out)
        err = sp_tool_write(out, sp_str_n(text, len));
    else if (fwrite(text, 1, len, stdout) != len || fflush(stdout) != 0)
        err = -errno;
    if (err)
        fprintf(stderr, "sallyport convert: cannot write %s: %s\n", out ? out : "the standard output", strerrordesc_np(-err));
    return err ? err : c->err;
}

static int convert(const struct args *a, struct sp_convert *c)
{
    char *text = NULL;
    size_t len = 0;
    if (!parse(c, a->in) || !sp_kong_read(&c->kong, &c->file, stderr) || (a->out && !split_out(c, a->out)))
        return SP_EXIT_CONFIG;
    c->to = open_memstream(&text, &len);
    if (!c->to)
        abort();
    sp_convert_all(c);
    fclose(c->to);
    int err = write_out(c, a->out, text, len);
    free(text);
    sp_kong_tell(&c->file, stderr);
    fprintf(stderr, "%s: %u service%s, %u route%s, %u plugin%s; %u not carried over%s\n", a->in, c->kong.n_services, c->kong.n_services == 1 ? "" : "s",
            c->kong.n_routes, c->kong.n_routes == 1 ? "" : "s", c->kong.n_plugins, c->kong.n_plugins == 1 ? "" : "s", c->file.n_dropped,
            a->out ? "; now: sallyport validate, sallyport audit" : "");
    return err || (a->strict && c->file.n_dropped) ? SP_EXIT_CONFIG : SP_EXIT_OK;
}

/* --- arguments --- */

static const char *port(const char *value, unsigned *ret)
{
    uint64_t v;
    if (sp_str_u64(sp_str_c(value), 65535, &v) < 0)
        return "a port";
    *ret = (unsigned)v;
    return NULL;
}

static const char *take_http(void *ctx, const char *value)
{
    return port(value, &((struct args *)ctx)->http_port);
}

static const char *take_https(void *ctx, const char *value)
{
    return port(value, &((struct args *)ctx)->https_port);
}

static const char *take_out(void *ctx, const char *value)
{
    ((struct args *)ctx)->out = value;
    return *value ? NULL : "a file";
}

static const char *take_strict(void *ctx, const char *value)
{
    ((struct args *)ctx)->strict = true;
    return NULL;
}

/* False: `why` has what is wrong. */
static bool read_args(int argc, char **argv, struct args *a, char *why, size_t size)
{
    static const struct sp_verb_option options[] = {
        {"-o", true, take_out}, {"--output", true, take_out}, {"--http", true, take_http}, {"--https", true, take_https}, {"--strict", false, take_strict}};
    const struct sp_verb verb = {.name = "convert", .options = options, .n = SP_ARRAY_LEN(options), .ctx = a};
    *a = (struct args){.http_port = HTTP_PORT, .https_port = HTTPS_PORT};
    for (int i = 2; i < argc && !why[0] && !a->help; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            a->help = true;
        else if (sp_verb_take(&verb, argc, argv, &i, why, size))
            continue;
        else if (argv[i][0] == '-' && argv[i][1])
            snprintf(why, size, "unknown argument %.100s", argv[i]);
        else if (a->in)
            snprintf(why, size, "one file, please");
        else
            a->in = argv[i];
    }
    if (!why[0] && !a->help && !a->in)
        snprintf(why, size, "which file? sallyport convert kong.yaml -o door.yaml");
    return !why[0];
}

int sp_convert_main(int argc, char **argv)
{
    struct args a;
    char why[256] = "";
    if (!read_args(argc, argv, &a, why, sizeof(why))) {
        fprintf(stderr, "sallyport convert: %s\nTry sallyport convert --help.\n", why);
        return SP_EXIT_USAGE;
    }
    if (a.help) {
        help(stdout);
        return SP_EXIT_OK;
    }
    struct sp_convert c = {.file.name = a.in, .http_port = a.http_port, .https_port = a.https_port};
    sp_arena_init(&c.arena);
    sp_arena_init(&c.file.arena);
    int code = convert(&a, &c);
    sp_kong_file_done(&c.file);
    sp_arena_done_wipe(&c.arena);
    sp_arena_thread_done();
    return code;
}
