// SPDX-License-Identifier: GPL-2.0-or-later
// HTTP/1.1, one request at a time on a connection; answers have a content-length.
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEAD 8192

bool h1_ask(struct conn *c, uint64_t began_us)
{
    size_t room = 4096;
    const char *path = next_line(&opt.paths);
    int len = snprintf((char *)conn_space(c, room), room, "GET %s HTTP/1.1\r\nHost: gw.bench.test\r\nUser-Agent: bench/1\r\nAccept: */*\r\n",
                       path);
    c->filled += (size_t)len;
    if (opt.echo) {
        if (!c->h1_echo && !(c->h1_echo = malloc(sizeof(*c->h1_echo)))) {
            abort();
        }
        echo_begin(c->h1_echo, path);
        c->filled += (size_t)snprintf((char *)conn_space(c, 64), 64, "x-nonce: %s\r\n", c->h1_echo->nonce);
    }
    for (size_t i = 0; i < opt.fields; i++) {
        room = strlen(opt.names[i]) + strlen(opt.values[i]) + 8;
        c->filled += (size_t)snprintf((char *)conn_space(c, room), room, "%s: %s\r\n", opt.names[i], opt.values[i]);
    }
    memcpy(conn_space(c, 2), "\r\n", 2);
    c->filled += 2;
    c->h1_began_us = began_us;
    return true;
}

// The head is whole: status, length, and whether the connection ends.
static bool read_head(struct conn *c)
{
    const char *head = (const char *)c->head, *length;
    if (sscanf(head, "HTTP/1.1 %3d", &c->h1_status) != 1 || !(length = strcasestr(head, "\r\ncontent-length:"))) {
        first_error("an answer without status or length");
        return false;
    }
    c->h1_left = strtoull(length + 17, NULL, 10);
    c->h1_last = strcasestr(head, "\r\nconnection: close") != NULL;
    c->h1_body = 0;
    c->h1_in_body = true;
    return true;
}

static void end_of_body(struct conn *c)
{
    c->h1_in_body = false;
    c->head_len = 0;
    c->draining |= c->h1_last;
    answered(c, c->h1_status, c->h1_body, c->h1_began_us, c->h1_echo);
}

bool h1_feed(struct conn *c, const uint8_t *data, size_t len)
{
    size_t part;
    if (!c->head && !(c->head = malloc(MAX_HEAD))) {
        abort();
    }
    while (len > 0) {
        if (!c->inflight) {
            first_error("an answer that nobody asked for");
            return false;
        }
        if (!c->h1_in_body) {
            size_t before = c->head_len;
            part = len < MAX_HEAD - 1 - before ? len : MAX_HEAD - 1 - before;
            memcpy(c->head + before, data, part);
            c->head[before + part] = 0;
            char *end = strstr((char *)c->head + (before > 3 ? before - 3 : 0), "\r\n\r\n");
            if (!end) {
                c->head_len += part;
                return part == len;
            }
            part = (size_t)(end + 4 - (char *)c->head) - before;
            end[2] = 0;
            if (!read_head(c)) {
                return false;
            }
        } else {
            part = len < c->h1_left ? len : c->h1_left;
            c->h1_left -= part;
            c->h1_body += part;
            if (c->h1_echo) {
                echo_data(c->h1_echo, data, part);
            }
            tally.bytes += part;
        }
        data += part;
        len -= part;
        if (c->h1_in_body && c->h1_left == 0) {
            end_of_body(c);
        }
    }
    if (opt.hold && !c->inflight) {  // ten thousand of them stay: no buffers for nothing
        free(c->head);
        c->head = NULL;
    }
    return true;
}
