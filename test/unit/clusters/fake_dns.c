/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_dns.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct sp_dns_query *fake_questions[FAKE_QUESTIONS];
unsigned fake_asked;

struct sp_dns_query *sp_dns_ask(struct sp_worker *w, const struct sp_dns_servers *servers, const char *name,
                                enum sp_dns_family family, sp_dns_cb *done, void *ctx)
{
    assert(w && servers && !fake_question(name));
    struct sp_dns_query *q = sp_xcalloc(1, sizeof(*q));
    snprintf(q->name, sizeof(q->name), "%s", name);
    q->family = family;
    q->done = done;
    q->ctx = ctx;
    fake_asked++;
    for (size_t i = 0; i < FAKE_QUESTIONS; i++)
        if (!fake_questions[i]) {
            fake_questions[i] = q;
            return q;
        }
    abort();
}

void sp_dns_cancel(struct sp_dns_query *q)
{
    for (size_t i = 0; i < FAKE_QUESTIONS; i++)
        if (fake_questions[i] == q)
            fake_questions[i] = NULL;
    free(q);
}

struct sp_dns_query *fake_question(const char *name)
{
    for (size_t i = 0; i < FAKE_QUESTIONS; i++)
        if (fake_questions[i] && strcmp(fake_questions[i]->name, name) == 0)
            return fake_questions[i];
    return NULL;
}

static void answer(const char *name, const struct sp_dns_answer *a)
{
    struct sp_dns_query *q = fake_question(name), copy = *q;
    sp_dns_cancel(q);
    copy.done(copy.ctx, a);
}

void fake_answer(const char *name, const char *addresses, unsigned ttl_s)
{
    struct sp_addr v[16];
    unsigned n = 0;
    for (const char *p = addresses; *p;) {
        size_t len = strcspn(p, " ");
        int err = sp_addr_parse_ip(sp_str_n(p, len), &v[n++]);
        assert(!err);
        (void)err;
        p += len + (p[len] == ' ');
    }
    answer(name, &(struct sp_dns_answer){.ok = true, .v = v, .n = n, .ttl_s = ttl_s, .why = SP_STR("none")});
}

void fake_fail(const char *name)
{
    answer(name, &(struct sp_dns_answer){.why = SP_STR("silence")});
}
