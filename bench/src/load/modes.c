// SPDX-License-Identifier: GPL-2.0-or-later
// What is asked when: as fast as answers come, at fixed times, on a new connection each, or once on connections that stay.
#include "load.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TURN_US 5000
#define DRAIN_US 5000000
#define OPEN_US 50000000
#define RETRY_US 10000
#define AT_ONCE 64       // connections being opened, when many are
#define MOST_STREAMS 100 // in flight on one connection, at fixed times
#define MOST_REFUSED 1000

bool asking;

static bool ask(struct conn *c, uint64_t began_us)
{
    c->inflight++;
    inflight_all++;
    if (!(c->h2 ? h2_ask(c, began_us) : h1_ask(c, began_us))) {
        c->inflight--;
        inflight_all--;
        return false;
    }
    c->asked = true;
    tally.asked++;
    return true;
}

void ask_more(struct conn *c)
{
    if (opt.fresh && c->asked && !c->inflight) {
        c->draining = true;
    }
    if (opt.fresh || opt.hold || opt.rate > 0) {
        return;
    }
    while (asking && !c->draining && c->inflight < opt.streams && ask(c, now_us())) {
    }
    if (c->draining && asking && slots[c->slot] == c) {  // the server goes: another connection takes its place at once
        slots[c->slot] = NULL;
        tally.reconnects++;
        conn_start(c->slot);
    }
}

void conn_opened(struct conn *c)
{
    if (opt.fresh || opt.hold) {
        ask(c, opt.fresh ? c->began_us : now_us());
    } else {
        ask_more(c);
    }
}

void conn_ended(unsigned slot)
{
    if (opt.fresh && asking && tally.refused < MOST_REFUSED) {
        conn_start(slot);
    }
}

static void say_ready(void)
{
    struct pollfd in = {.fd = 0, .events = POLLIN};
    char line[16];
    printf("ready\n");
    fflush(stdout);
    if (poll(&in, 1, 60000) <= 0 || read(0, line, sizeof(line)) <= 0) {
        exit(3);
    }
}

static void reopen_lost(uint64_t now)
{
    static uint64_t next;
    if (opt.fresh || now < next) {
        return;
    }
    next = now + RETRY_US;
    for (unsigned i = 0; i < opt.conns; i++) {
        if (!slots[i]) {
            tally.reconnects++;
            conn_start(i);
        }
    }
}

// What is due by now, each counted from the time it was due: waiting for a connection is part of its latency.
static void ask_due(uint64_t start, uint64_t now, uint64_t *asked)
{
    static unsigned turn;
    uint64_t due;
    while ((due = start + (uint64_t)((double)*asked * 1e6 / opt.rate)) <= now) {
        struct conn *c = NULL;
        for (unsigned tries = 0; tries < opt.conns && !c; tries++) {
            struct conn *x = slots[turn++ % opt.conns];
            c = x && x->state == OPEN && !x->draining && x->inflight < (opt.h1 ? 1 : MOST_STREAMS) ? x : NULL;
        }
        if (opt.shed && !c) {  // whoever wanted to ask goes elsewhere
            tally.skipped++;
            ++*asked;
            continue;
        }
        if (!c || !ask(c, opt.shed ? now : due)) {
            return;
        }
        ++*asked;
        conn_flush(c);
    }
}

static void wait_for_answers(void)
{
    uint64_t end = now_us() + DRAIN_US;
    asking = false;
    while (inflight_all && now_us() < end) {
        conn_turn(TURN_US);
    }
}

static int run_timed(void)
{
    uint64_t paced = 0, now, start = now_us(), end = start + (uint64_t)(opt.seconds * 1e6);
    asking = true;
    tally.last_done_us = start;
    for (unsigned i = 0; i < opt.conns; i++) {
        if (opt.fresh) {
            conn_start(i);
        } else if (slots[i]) {
            ask_more(slots[i]);
            conn_flush(slots[i]);
        }
    }
    while ((now = now_us()) < end && (opt.shed || tally.refused < MOST_REFUSED)) {
        int64_t wait = TURN_US;
        reopen_lost(now);
        if (opt.rate > 0) {
            ask_due(start, now, &paced);
            int64_t due = (int64_t)(start + (uint64_t)((double)paced * 1e6 / opt.rate)) - (int64_t)now_us();
            wait = due < 0 ? 0 : due < TURN_US ? due : TURN_US;
        }
        conn_turn(wait);
    }
    wait_for_answers();
    print_result((double)(tally.last_done_us - start) / 1e6);
    return 0;
}

static void open_all(unsigned at_once)
{
    uint64_t end = now_us() + OPEN_US;
    unsigned started = 0;
    while (now_us() < end && tally.refused < 10) {
        uint64_t settled = opt.hold ? tally.done + tally.failed : open_conns;
        while (started < opt.conns && started < settled + tally.refused + at_once) {
            conn_start(started++);
        }
        if (settled + tally.refused >= opt.conns) {
            return;
        }
        conn_turn(TURN_US);
    }
}

static void take_tickets(void)
{
    uint64_t end = now_us() + DRAIN_US;
    for (unsigned i = 0; i < opt.conns; i++) {
        conn_start(i);
    }
    while (tally.done < opt.conns && now_us() < end) {
        conn_turn(TURN_US);
    }
    uint64_t tickets = tally.done;
    tally = (struct tally){0};
    if (tickets < opt.conns) {
        first_error("only %llu of %u first connections were answered", (unsigned long long)tickets, opt.conns);
    }
}

static int hold(void)
{
    struct pollfd in = {.fd = 0, .events = POLLIN};
    char line[16];
    uint64_t end = now_us() + OPEN_US;
    open_all(AT_ONCE);
    print_result(0);
    while (poll(&in, 1, 0) == 0 && now_us() < end) {
        conn_turn(100000);
    }
    if (read(0, line, sizeof(line)) < 0) {
        return 3;
    }
    print_result(0);
    return 0;
}

int run(void)
{
    if (opt.hold) {
        return hold();
    }
    if (opt.resume) {
        take_tickets();
    }
    if (!opt.fresh) {
        open_all(opt.conns);
        if (open_conns < opt.conns && !opt.shed) {
            fprintf(stderr, "load: only %u of %u connections: %s\n", open_conns, opt.conns, tally.first_error);
            return 4;
        }
    }
    say_ready();
    return run_timed();
}
