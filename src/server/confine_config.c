/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/confine_config.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/doc_hash.h"
#include "server/edge.h"

typedef Envoy__Config__Bootstrap__V3__Bootstrap Message;
typedef Sallyport__Bootstrap__V1__Process ProcessMessage;
typedef Sallyport__Bootstrap__V1__Sandbox SandboxMessage;

enum { NAMES_MAX = 16384 };
#define NOBODY ((uid_t)-1)

const ProcessMessage *sp_confine_process(const struct sp_doc *doc, const Message *msg)
{
    const Sallyport__Bootstrap__V1__Edge *edge = sp_edge_find(doc, msg);
    return edge ? edge->process : NULL;
}

/* ---- who ---- */

static bool is_number(const char *s, unsigned long *ret)
{
    char *end = NULL;
    if (!*s || strspn(s, "0123456789") != strlen(s))
        return false;
    errno = 0;
    *ret = strtoul(s, &end, 10);
    return errno == 0 && *ret < (uid_t)-1;
}

/* NULL, or what is wrong with it. */
static const char *find_user(const char *user, struct sp_identity *ret)
{
    char *names = sp_xmalloc(NAMES_MAX);
    struct passwd entry, *found = NULL;
    unsigned long number;
    if (is_number(user, &number))
        (void)getpwuid_r((uid_t)number, &entry, names, NAMES_MAX, &found); /* `found` says it all */
    else
        (void)getpwnam_r(user, &entry, names, NAMES_MAX, &found);
    const char *why = NULL;
    if (found) {
        ret->uid = found->pw_uid;
        ret->gid = found->pw_gid;
        ret->named = strlen(found->pw_name) < sizeof(ret->name);
        if (ret->named)
            strcpy(ret->name, found->pw_name);
    } else if (is_number(user, &number)) {
        ret->uid = (uid_t)number;
        ret->gid = (gid_t)number;
    } else {
        why = "there is no such user (useradd --system makes one)";
    }
    ret->change = true;
    free(names);
    return why;
}

static const char *find_group(const char *group, struct sp_identity *ret)
{
    char *names = sp_xmalloc(NAMES_MAX);
    struct group entry, *found = NULL;
    unsigned long number;
    const char *why = NULL;
    if (is_number(group, &number))
        ret->gid = (gid_t)number;
    else if (getgrnam_r(group, &entry, names, NAMES_MAX, &found) == 0 && found)
        ret->gid = found->gr_gid;
    else
        why = "there is no such group (groupadd --system makes one)";
    free(names);
    return why;
}

const char *sp_confine_identify(const ProcessMessage *msg, struct sp_identity *ret, const char **ret_field)
{
    *ret = (struct sp_identity){.uid = NOBODY};
    *ret_field = "user";
    if (!*msg->user) {
        *ret_field = "group";
        return *msg->group ? "a group without a user (name the user too)" : NULL;
    }
    const char *why = find_user(msg->user, ret);
    if (why || !*msg->group)
        return why;
    *ret_field = "group";
    return find_group(msg->group, ret);
}

uid_t sp_confine_user(const struct sp_doc *doc, const Message *msg)
{
    struct sp_identity id;
    const char *field;
    const ProcessMessage *p = sp_confine_process(doc, msg);
    return p && !sp_confine_identify(p, &id, &field) && id.change ? id.uid : NOBODY;
}

/* ---- the config ---- */

static void check_paths(const struct sp_doc *doc, struct sp_diag *diag, const SandboxMessage *msg, const char *field, char **paths, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (paths[i][0] != '/')
            sp_doc_err(doc, diag, msg, field, (int)i, "not an absolute path (write it from / on)");
}

void sp_confine_check(const struct sp_doc *doc, struct sp_diag *diag, const Message *msg, const struct sp_doc *serves,
                      const Message *serves_msg)
{
    assert(doc && diag && msg);
    struct sp_identity id;
    const char *field, *why;
    const ProcessMessage *p = sp_confine_process(doc, msg);
    if (p && (why = sp_confine_identify(p, &id, &field)) != NULL)
        sp_doc_err(doc, diag, p, field, -1, "%s", why);
    if (p && p->sandbox) {
        check_paths(doc, diag, p->sandbox, "read", p->sandbox->read, p->sandbox->n_read);
        check_paths(doc, diag, p->sandbox, "write", p->sandbox->write, p->sandbox->n_write);
    }
    if (!serves)
        return;
    struct sp_hash now, before;
    sp_doc_hash_text(doc, p, NULL, &now);
    sp_doc_hash_text(serves, sp_confine_process(serves, serves_msg), NULL, &before);
    if (!sp_hash_eq(&now, &before))
        sp_doc_err(doc, diag, p ? (const void *)p : msg, NULL, -1,
                   "what the process may do cannot change while it runs (put Edge.process back as it was, or restart)");
}
