/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fake of clusters/dns.h: questions that wait until the test answers. Stands before the real one in the link. */
#ifndef TEST_CLUSTERS_FAKE_DNS_H
#define TEST_CLUSTERS_FAKE_DNS_H

#include "clusters/dns.h"

enum { FAKE_QUESTIONS = 16 };

struct sp_dns_query {
    char name[256];
    enum sp_dns_family family;
    sp_dns_cb *done;
    void *ctx;
};

/* Those that wait; NULL: free. */
extern struct sp_dns_query *fake_questions[FAKE_QUESTIONS];
extern unsigned fake_asked; /* all so far */
/* The one of that name; NULL: nobody asks. */
struct sp_dns_query *fake_question(const char *name);
/* "1.2.3.4 5.6.7.8" or "": no address. */
void fake_answer(const char *name, const char *addresses, unsigned ttl_s);
void fake_fail(const char *name);

#endif
