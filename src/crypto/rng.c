/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/rng.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* for its destructor */
static int no_key;
static _Thread_local WC_RNG *mine;

static void rng_free(void *p)
{
    wc_FreeRng(p); /* wipes */
    free(p);
}

static void make_key(void)
{
    no_key = pthread_key_create(&key, rng_free);
}

WC_RNG *sp_thread_rng(void)
{
    if (mine)
        return mine;
    pthread_once(&once, make_key);
    WC_RNG *r = sp_xcalloc(1, sizeof(*r));
    if (no_key || wc_InitRng(r) != 0) {
        free(r);
        return NULL;
    }
    if (pthread_setspecific(key, r)) {
        rng_free(r);
        return NULL;
    }
    return mine = r;
}
