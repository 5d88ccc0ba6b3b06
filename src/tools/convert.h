/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `sallyport convert`: Kong's declarative format (decK) becomes a config of this program.  What cannot be carried over is
 * listed on stderr; a route that loses what guards it is closed.
 */
#ifndef SP_TOOLS_CONVERT_H
#define SP_TOOLS_CONVERT_H

/* argv[1] is the verb. */
int sp_convert_main(int argc, char **argv);

#endif
