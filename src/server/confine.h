/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the process gives up once its sockets are bound: root, capabilities, files and system calls that serving does not
 * need (sallyport.bootstrap.v1.Process).  For good: threads that are made later inherit it.  Main thread.
 */
#ifndef SP_SERVER_CONFINE_H
#define SP_SERVER_CONFINE_H

#include "server/compile.h"
#include "server/options.h"

/*
 * Does it.  False after logging why and what to do: the process must not serve then.  Whether or not the config asks for anything,
 * no program that is started from here gains rights by its file (no_new_privs).
 */
bool sp_confine(const struct sp_config *config, const struct sp_options *options);

#endif
