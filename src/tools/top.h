/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `sallyport top`: how a running process fares, at a glance, in a terminal or as text. */
#ifndef SP_TOOLS_TOP_H
#define SP_TOOLS_TOP_H

/* argv[1] is "top". 0; 1: the admin page does not answer, or the config is refused; 2: usage. */
int sp_top_main(int argc, char **argv);

#endif
