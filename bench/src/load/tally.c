// SPDX-License-Identifier: GPL-2.0-or-later
// Counts, latencies in a histogram (64 steps for each power of two: within 1.6 %), and the result as one line of JSON.
#include "load.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define STEPS 64

struct tally tally;

uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void first_error(const char *format, ...)
{
    va_list args;
    if (tally.first_error[0]) {
        return;
    }
    va_start(args, format);
    vsnprintf(tally.first_error, sizeof(tally.first_error), format, args);
    va_end(args);
    for (char *p = tally.first_error; *p; p++) {
        if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ') {
            *p = '.';
        }
    }
}

static unsigned place_of(uint64_t us)
{
    if (us < STEPS) {
        return (unsigned)us;
    }
    unsigned power = 63 - (unsigned)__builtin_clzll(us);
    unsigned place = (power - 5) * STEPS + (unsigned)((us >> (power - 6)) % STEPS);
    unsigned last = sizeof(tally.latency) / sizeof(tally.latency[0]) - 1;
    return place < last ? place : last;
}

static uint64_t middle_of(unsigned place)
{
    if (place < STEPS) {
        return place;
    }
    unsigned power = place / STEPS + 5;
    uint64_t step = (uint64_t)1 << (power - 6);
    return ((uint64_t)1 << power) + place % STEPS * step + step / 2;
}

static uint64_t percentile(double share)
{
    uint64_t all = 0, seen = 0;
    unsigned places = sizeof(tally.latency) / sizeof(tally.latency[0]), i;
    for (i = 0; i < places; i++) {
        all += tally.latency[i];
    }
    for (i = 0; i < places; i++) {
        seen += tally.latency[i];
        if (all && (double)seen >= share * (double)all) {
            return middle_of(i);
        }
    }
    return 0;
}

void echo_begin(struct echo *e, const char *path)
{
    static uint64_t nonce;
    snprintf(e->nonce, sizeof(e->nonce), "%llx-%llu", (unsigned long long)tally.last_done_us, (unsigned long long)++nonce);
    int len = snprintf(e->want, sizeof(e->want), "%.*s %s %s\n", (int)strcspn(path + 1, "/"), path + 1, path, e->nonce);
    e->len = len > 0 && (size_t)len < sizeof(e->want) ? (size_t)len : 0;
    e->at = 0;
    e->wrong = false;
}

void echo_data(struct echo *e, const uint8_t *data, size_t len)
{
    size_t n = e->len - e->at < len ? e->len - e->at : len;
    e->wrong |= n != len || memcmp(e->want + e->at, data, n) != 0;
    e->at += n;
}

void answered(struct conn *c, int status, uint64_t body, uint64_t began_us, const struct echo *e)
{
    uint64_t now = now_us(), took = now - began_us;
    c->inflight--;
    inflight_all--;
    tally.done++;
    tally.last_done_us = now;
    if (opt.shed && status == opt.shed) {
        tally.shed++;
        return;
    }
    if (status != opt.status) {
        tally.wrong_status++;
        first_error("status %d instead of %d", status, opt.status);
    } else if (opt.length >= 0 && body != (uint64_t)opt.length) {
        tally.wrong_length++;
        first_error("a body of %llu bytes instead of %lld", (unsigned long long)body, opt.length);
    } else if (e && (e->wrong || e->at != e->len)) {
        tally.wrong_body++;
        first_error("a body that is not: %s", e->want);
    }
    tally.latency[place_of(took)]++;
    tally.latency_sum_us += took;
    if (took > tally.latency_max_us) {
        tally.latency_max_us = took;
    }
}

void print_result(double seconds)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) + (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
#define U(x) ((unsigned long long)(x))
    printf("{\"seconds\":%.6f,\"asked\":%llu,\"done\":%llu,\"wrong_status\":%llu,\"wrong_length\":%llu,\"failed\":%llu,"
           "\"unfinished\":%llu,\"retried\":%llu,\"refused\":%llu,\"reconnects\":%llu,\"goaways\":%llu,\"handshakes\":%llu,"
           "\"resumed\":%llu,\"shed\":%llu,\"skipped\":%llu,\"wrong_body\":%llu,\"bytes\":%llu,\"open\":%u,\"cpu_s\":%.4f,\"mean_us\":%.1f,\"p50_us\":%llu,\"p99_us\":%llu,\"max_us\":%llu,"
           "\"first_error\":\"%s\"}\n",
           seconds, U(tally.asked), U(tally.done), U(tally.wrong_status), U(tally.wrong_length), U(tally.failed), U(inflight_all),
           U(tally.retried), U(tally.refused), U(tally.reconnects), U(tally.goaways), U(tally.handshakes), U(tally.resumed),
           U(tally.shed), U(tally.skipped), U(tally.wrong_body), U(tally.bytes), open_conns, cpu, tally.done > tally.shed ? (double)tally.latency_sum_us / (double)(tally.done - tally.shed) : 0, U(percentile(0.5)),
           U(percentile(0.99)), U(tally.latency_max_us), tally.first_error);
#undef U
    fflush(stdout);
}
