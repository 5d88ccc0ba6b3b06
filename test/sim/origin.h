/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Origins for tests that go over real sockets: nginx and nghttpd as child processes, and one of our own that does what a
 * script says, on a thread, with blocking calls.
 */
#ifndef TEST_SIM_ORIGIN_H
#define TEST_SIM_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

/* What a scripted origin does with one connection, step by step. */
enum origin_do {
    O_END,    /* close the listening socket's turn: the next connection takes the next script */
    O_HEAD,   /* read up to an empty line */
    O_BODY,   /* read `n` bytes */
    O_SEND,   /* write `text` */
    O_BULK,   /* write `n` bytes of 'x' */
    O_CLOSE,  /* FIN and close */
    O_RESET,  /* RST */
    O_SLEEP,  /* n ms */
    O_HOLD,   /* read until the peer closes */
};
struct origin_step {
    enum origin_do what;
    const char *text;
    size_t n;
};

struct origin;
/* Connections take the scripts one after the other, each on a thread of its own; the last one is used for all that follow.
 * A script ends with O_END (then the connection closes). */
struct origin *origin_scripted(const struct origin_step *const *scripts, unsigned n_scripts);
/* nginx with `config` inside its server block, HTTP/1.1; files under `root` are made by origin_file. NULL: not installed. */
struct origin *origin_nginx(const char *config);
/* The same over TLS, with the texts in files cert.pem, key.pem and ca.pem of its directory; `config` may add to it. */
struct origin *origin_nginx_tls(const char *cert, const char *key, const char *ca, const char *config);
/* nghttpd without TLS, serving the same kind of directory. */
struct origin *origin_nghttpd(void);
/* A file of n bytes: byte i is (char)(i * 31 + i / 251). */
void origin_file(struct origin *o, const char *name, size_t n);
char origin_byte(size_t i);
unsigned origin_port(const struct origin *o);
unsigned origin_connections(struct origin *o); /* scripted: accepted so far */
void origin_kill(struct origin *o);            /* the process dies; the port is free */
void origin_free(struct origin *o);

#endif
