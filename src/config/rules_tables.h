/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables behind sp_rules (config/rules.h), one a file and area, for this directory only.  Envoy's own demands stand in
 * them as its API states them (test/lint/rules holds them against test/lint/envoy_rules.txt); demands on fields that only
 * sallyport makes stand among them where leaving a field out would mean nothing (a transport socket without a config).
 * A message's rules stand together; a new area goes into the list in rules_table.c too.
 */
#ifndef SP_CONFIG_RULES_TABLES_H
#define SP_CONFIG_RULES_TABLES_H

#include "base/defs.h"
#include "config/rules.h"

#define BIT(n) (1u << (n))
#define PORT_MAX 65535
#define U32_MAX 4294967295u

struct sp_rule_table {
    const struct sp_rule *rules;
    size_t n;
};

extern const struct sp_rule_table sp_rules_bootstrap;
extern const struct sp_rule_table sp_rules_core;
extern const struct sp_rule_table sp_rules_cluster;
extern const struct sp_rule_table sp_rules_listener;
extern const struct sp_rule_table sp_rules_route;
extern const struct sp_rule_table sp_rules_filters;
extern const struct sp_rule_table sp_rules_tls;
extern const struct sp_rule_table sp_rules_shield;
extern const struct sp_rule_table sp_rules_own;
extern const struct sp_rule_table sp_rules_trace;

#endif
