/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory for the tables that the wolfSSL of scripts/deps makes of public keys that come again: a thread has them from its first
 * such key to its end.  wolfSSL asks for it by this name.
 */
#ifndef SP_CRYPTO_THREAD_TABLES_H
#define SP_CRYPTO_THREAD_TABLES_H

#include <stddef.h>

/* Zeroed; freed with the thread. Aborts when memory is out. */
void *sp_thread_tables(size_t size);
/* Bytes that the calling thread has, for tests. */
size_t sp_thread_tables_held(void);

#endif
