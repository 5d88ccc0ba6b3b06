/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `sallyport demo`: a door, the origin behind it, and the curl lines to try them.  Certificates, secret and tokens are
 * made anew at each start, in a directory that only its user can read and that goes when the demo ends.
 */
#ifndef SP_TOOLS_DEMO_H
#define SP_TOOLS_DEMO_H

/* argv[2 ..]: --check, --port N. Returns the process's exit code. */
int sp_demo_main(int argc, char **argv);

#endif
