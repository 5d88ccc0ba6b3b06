// SPDX-License-Identifier: GPL-2.0-or-later
// Arguments of the benchmark's client. bench/lib/load.py calls it and says what each means.
#include "load.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct options opt = {.conns = 1, .streams = 1, .seconds = 1, .status = 200, .length = -1};

static void die(const char *what, const char *which)
{
    fprintf(stderr, "load: %s: %s\n", what, which);
    exit(2);
}

const char *next_line(struct lines *lines)
{
    const char *line = lines->at[lines->next++];
    if (lines->next == lines->count) {
        lines->next = 0;
    }
    return line;
}

static void add_line(struct lines *lines, const char *text)
{
    lines->at = realloc(lines->at, (lines->count + 1) * sizeof(*lines->at));
    if (!lines->at || !(lines->at[lines->count++] = strdup(text))) {
        abort();
    }
}

static void read_lines(struct lines *lines, const char *path)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    if (!f) {
        die("cannot read", path);
    }
    while ((len = getline(&line, &room, f)) > 0) {
        if (line[len - 1] == '\n') {
            line[--len] = 0;
        }
        if (len > 0) {
            add_line(lines, line);
        }
    }
    free(line);
    fclose(f);
    if (!lines->count) {
        die("nothing in", path);
    }
}

static void add_field(char *text)
{
    char *colon = strstr(text, ": ");
    if (!colon || opt.fields == MAX_FIELDS) {
        die("not a header, or one too many", text);
    }
    *colon = 0;
    opt.names[opt.fields] = text;
    opt.values[opt.fields++] = colon + 2;
}

enum { CONNS = 1, STREAMS, SECONDS, RATE, H1, FRESH, RESUME, HOLD, PATH, PATHS, FIELD, ROTATE, VALUES, UPLOAD, STATUS, LENGTH, SOURCES, SHED, ECHO };

static const struct option known[] = {
    {"conns", 1, NULL, CONNS}, {"streams", 1, NULL, STREAMS}, {"seconds", 1, NULL, SECONDS}, {"rate", 1, NULL, RATE},
    {"h1", 0, NULL, H1}, {"fresh", 0, NULL, FRESH}, {"resume", 0, NULL, RESUME}, {"hold", 0, NULL, HOLD}, {"path", 1, NULL, PATH},
    {"paths", 1, NULL, PATHS}, {"field", 1, NULL, FIELD}, {"rotate", 1, NULL, ROTATE}, {"values", 1, NULL, VALUES},
    {"upload", 1, NULL, UPLOAD}, {"status", 1, NULL, STATUS}, {"length", 1, NULL, LENGTH}, {"sources", 1, NULL, SOURCES}, {"shed", 1, NULL, SHED}, {"echo", 0, NULL, ECHO},
    {NULL, 0, NULL, 0}};

static void take(int which)
{
    switch (which) {
    case CONNS: opt.conns = (unsigned)atoi(optarg); break;
    case STREAMS: opt.streams = (unsigned)atoi(optarg); break;
    case SECONDS: opt.seconds = atof(optarg); break;
    case RATE: opt.rate = atof(optarg); break;
    case H1: opt.h1 = true; break;
    case FRESH: opt.fresh = true; break;
    case RESUME: opt.fresh = opt.resume = true; break;
    case HOLD: opt.hold = true; break;
    case PATH: add_line(&opt.paths, optarg); break;
    case PATHS: read_lines(&opt.paths, optarg); break;
    case FIELD: add_field(optarg); break;
    case ROTATE: opt.rotate = optarg; break;
    case VALUES: read_lines(&opt.rotated, optarg); break;
    case UPLOAD: opt.upload = (size_t)atoll(optarg); break;
    case STATUS: opt.status = atoi(optarg); break;
    case LENGTH: opt.length = atoll(optarg); break;
    case ECHO: opt.echo = true; break;
    case SHED: opt.shed = atoi(optarg); break;
    case SOURCES: opt.sources = (unsigned)atoi(optarg); break;
    default: exit(2);
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;
    int which;
    while ((which = getopt_long(argc, argv, "", known, NULL)) != -1) {
        take(which);
    }
    opt.port = optind == argc - 1 ? (unsigned)atoi(argv[optind]) : 0;
    if (opt.port < 1 || opt.port > 65535 || opt.conns < 1 || opt.conns > 19000 || opt.streams < 1 || opt.seconds > 60 ||
        opt.rate > 200000 || (opt.rotate != NULL) != (opt.rotated.count > 0)) {
        die("usage", "load [--conns N] [--streams N] [--seconds N, at most 60] ... PORT (of 127.0.0.1)");
    }
    if (!opt.paths.count) {
        add_line(&opt.paths, "/");
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    conn_init();
    h2_init();
    return run();
}
