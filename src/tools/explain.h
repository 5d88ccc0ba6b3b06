/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `sallyport explain`: what a config does to one request, without a network: the real gates, routes and filters run over
 * it, and the request that would be sent to an upstream is shown instead of being sent.
 */
#ifndef SP_TOOLS_EXPLAIN_H
#define SP_TOOLS_EXPLAIN_H

/* argv[1] is the verb. */
int sp_explain_main(int argc, char **argv);

#endif
