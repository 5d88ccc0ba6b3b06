// SPDX-License-Identifier: GPL-2.0-or-later
// load: the benchmark's client. One thread, one epoll loop, loopback only; HTTP/2 over TLS 1.3, or HTTP/1.1 in clear.
//
// conn.c moves bytes, h1.c and h2.c speak the protocols, modes.c decides what is asked when, tally.c counts and prints.
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_FIELDS 16

struct lines { char **at; size_t count, next; };

struct options {
    unsigned port, conns, streams;  // streams: requests at once on a connection
    double seconds, rate;           // rate: requests a second at fixed times, 0: as fast as answers come
    bool echo;                      // bodies must say "SEGMENT PATH NONCE": the path's first segment, and what the request had in x-nonce
    bool h1, fresh, resume, hold;   // fresh: a new connection for each request; hold: open, ask once, stay
    struct lines paths, rotated;    // rotated: values of the header `rotate`, in turn
    const char *rotate;
    char *names[MAX_FIELDS], *values[MAX_FIELDS];
    size_t fields, upload;
    int status, shed;               // shed: answers of this status are counted apart, and requests that find no room are skipped; 0: none is
    long long length;               // a body of another length is an error; below 0: any
    unsigned sources;               // addresses 127.0.0.1 and up that connections come from, in turn; 0: as the kernel likes
};

struct tally {
    uint64_t asked, done, wrong_status, wrong_length, failed, retried, refused, reconnects, goaways, handshakes, resumed, shed, skipped, wrong_body;
    uint64_t bytes, last_done_us, latency_sum_us, latency_max_us;
    uint32_t latency[64 * 40];
    char first_error[160];
};

// What an answer's body must be.
struct echo {
    char want[256], nonce[24];
    size_t len, at;
    bool wrong;
};

enum conn_state { CONNECTING, SHAKING, OPEN };

struct conn {
    int fd;
    enum conn_state state;
    unsigned slot, inflight, watched;
    bool draining, dead, asked;     // draining: asks no more, ends with its last answer
    uint64_t began_us;
    SSL *tls;
    nghttp2_session *h2;
    uint8_t *out;                   // what waits to be sent: [sent, filled)
    size_t sent, filled, room;
    uint8_t *head;                  // HTTP/1.1: an answer's head so far
    size_t head_len;
    int h1_status;
    uint64_t h1_left, h1_body, h1_began_us;
    bool h1_in_body, h1_last;
    struct echo *h1_echo;
    struct conn *next_dead;
};

extern struct options opt;
extern struct tally tally;
extern struct conn **slots;
extern unsigned open_conns;
extern uint64_t inflight_all;
extern bool asking;                 // false before the start and when time is up

uint64_t now_us(void);
void first_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void echo_begin(struct echo *e, const char *path);
void echo_data(struct echo *e, const uint8_t *data, size_t len);
void answered(struct conn *c, int status, uint64_t body, uint64_t began_us, const struct echo *e);
void print_result(double seconds);

void conn_init(void);
void conn_start(unsigned slot);
void conn_end(struct conn *c, const char *why);  // why: NULL when it ended as it should
void conn_flush(struct conn *c);
uint8_t *conn_space(struct conn *c, size_t len);
void conn_turn(int64_t timeout_us);              // waits, handles what came

bool h2_open(struct conn *c);
bool h2_ask(struct conn *c, uint64_t began_us);
bool h2_feed(struct conn *c, const uint8_t *data, size_t len);
void h2_fill(struct conn *c);                    // moves what nghttp2 has to say to the connection's output
void h2_init(void);

bool h1_ask(struct conn *c, uint64_t began_us);
bool h1_feed(struct conn *c, const uint8_t *data, size_t len);

const char *next_line(struct lines *lines);
void ask_more(struct conn *c);                   // as many as the mode wants on this connection now
void conn_opened(struct conn *c);
void conn_ended(unsigned slot);                  // the slot is empty
int run(void);

#endif
