/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The response to a request of clusters/upstream: from the codec's stream, by way of the retry policy, to the sink.
 */
#ifndef SP_CLUSTERS_ANSWER_H
#define SP_CLUSTERS_ANSWER_H

#include "clusters/outcome.h"

/* For sp_upstream.ticket.rx. */
extern const struct sp_sink_ops sp_answer_rx_ops;

#endif
