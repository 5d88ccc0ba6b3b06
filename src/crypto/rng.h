/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread's random generator: wolfCrypt's, seeded by the kernel when first asked for, freed with the thread.  A generator of
 * its own would cost each connection and each signature a reading of the kernel's and a self-test.
 *
 * The wolfSSL that scripts/deps builds asks for it by this name, once for each TLS connection; another one does not.
 */
#ifndef SP_CRYPTO_RNG_H
#define SP_CRYPTO_RNG_H

#include <wolfssl/wolfcrypt/random.h>

/* NULL: the kernel has no random bytes. Not for another thread. */
WC_RNG *sp_thread_rng(void);

#endif
