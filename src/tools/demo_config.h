/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The demo's config and its files: certificates, secret, key set, token, sallyport.yaml, all in one directory.
 */
#ifndef SP_TOOLS_DEMO_CONFIG_H
#define SP_TOOLS_DEMO_CONFIG_H

struct sp_demo_files {
    char dir[64];        /* /tmp/sallyport-demo-XXXXXX, mode 0700 */
    unsigned door, origin, admin; /* ports */
};

/* Makes the directory and everything in it; ports are set before. 0, or -1 after saying on stderr what failed. */
int sp_demo_files_make(struct sp_demo_files *f);
/* Removes them. */
void sp_demo_files_remove(const struct sp_demo_files *f);

#endif
