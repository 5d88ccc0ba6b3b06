/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_parts: what a config is made of, by name and hash, so that two of them can be compared: listeners with their routes,
 * clusters with their hosts, secrets, and everything else.  Part of sp_config; names are those of its document.
 */
#ifndef SP_SERVER_PARTS_H
#define SP_SERVER_PARTS_H

#include "base/map.h"
#include "config/doc_hash.h"
#include "config/set.h"

enum sp_part_kind { SP_PART_LISTENER, SP_PART_CLUSTER, SP_PART_SECRET, SP_PART_KINDS };

struct sp_parts {
    struct sp_arena arena;
    struct sp_map by_name[SP_PART_KINDS]; /* of struct sp_hash */
    struct sp_hash rest;
};

struct sp_changes {
    struct {
        unsigned added, changed, removed;
    } of[SP_PART_KINDS];
    bool rest; /* something else of the bootstrap */
};

/* On the thread that compiles, before it reads files. */
void sp_parts_init(struct sp_parts *p, const struct sp_set *set);
void sp_parts_done(struct sp_parts *p);
void sp_parts_compare(const struct sp_parts *from, const struct sp_parts *to, struct sp_changes *ret);
/* Nothing at all. */
bool sp_changes_none(const struct sp_changes *c);

#endif
