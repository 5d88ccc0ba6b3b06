/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sallyport.bootstrap.v1.Process, as a config has it: who the process becomes (server/confine.h does it).  Any thread. */
#ifndef SP_SERVER_CONFINE_CONFIG_H
#define SP_SERVER_CONFINE_CONFIG_H

#include <sys/types.h>

#include "config/doc.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "sallyport/bootstrap/v1/edge.pb-c.h"

struct sp_identity {
    uid_t uid;
    gid_t gid;
    bool change, named; /* the config names a user; it has groups by its name */
    char name[256];
};

/* NULL: the config has none. */
const Sallyport__Bootstrap__V1__Process *sp_confine_process(const struct sp_doc *doc, const Envoy__Config__Bootstrap__V3__Bootstrap *msg);
/* Asks the system's lists of users and groups. NULL, or what is wrong (static); *ret_field says with which field. */
const char *sp_confine_identify(const Sallyport__Bootstrap__V1__Process *msg, struct sp_identity *ret, const char **ret_field);
/* The user that a process started by this config goes on as; -1: as it was started. */
uid_t sp_confine_user(const struct sp_doc *doc, const Envoy__Config__Bootstrap__V3__Bootstrap *msg);
/*
 * Adds errors to `diag`: users that there are not, paths that are none, and, where `serves` is not NULL, that it is not what
 * that config has: it cannot change while the process runs.
 */
void sp_confine_check(const struct sp_doc *doc, struct sp_diag *diag, const Envoy__Config__Bootstrap__V3__Bootstrap *msg,
                      const struct sp_doc *serves, const Envoy__Config__Bootstrap__V3__Bootstrap *serves_msg);

#endif
