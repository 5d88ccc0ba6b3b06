/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Field rules: what Envoy's API demands of a field besides its type (and what our own API does), as a table keyed
 * by message and field.  Checked over the whole tree right after a load, so that whoever compiles a config can
 * rely on them: a required message is not NULL, a name is not empty, a port is a port.  Static, any thread.
 */
#ifndef SP_CONFIG_RULES_H
#define SP_CONFIG_RULES_H

#include "config/doc.h"

enum sp_rule_kind {
    SP_RULE_REQUIRED,    /* a message or a member of a oneof is set */
    SP_RULE_ONEOF,       /* a member of the field's oneof is set */
    SP_RULE_SOME,        /* some field of the message is set; no field is named */
    SP_RULE_MIN_LEN,     /* bytes of a string, of bytes, or of each of a list; a */
    SP_RULE_MAX_LEN,     /* a */
    SP_RULE_MIN_KEY_LEN, /* bytes of each key of a map; a */
    SP_RULE_MIN_ITEMS,   /* a */
    SP_RULE_MAX_ITEMS,   /* a */
    SP_RULE_UNIQUE,      /* no value of a list of strings or numbers stands in it twice */
    SP_RULE_NOT_EMPTY,   /* a list that is written has items */
    SP_RULE_RANGE,       /* a number, one in a wrapper, or each of a list: a <= x <= b */
    SP_RULE_POSITIVE,    /* a duration is over 0 */
    SP_RULE_MIN_MS,      /* a duration is at least a ms */
    SP_RULE_MAX_MS,      /* a duration is at most a ms */
    SP_RULE_ENUM_IN,     /* bit 1 << value of a is set; the others are Envoy's, but not run here */
    SP_RULE_ENUM_SET,    /* not the value 0 */
    SP_RULE_TRUE,        /* a bool that is chosen is true */
    SP_RULE_HEADER_NAME, /* RFC 9110 token, with an optional ':' before it; "" passes */
    SP_RULE_HEADER_VALUE, /* no NUL, CR, LF */
    SP_RULE_PATH_PREFIX, /* no '?' or '#', no '/' at the end */
};

struct sp_rule {
    const char *message, *field;
    enum sp_rule_kind kind;
    double a, b;
};

/* Sorted by message; *ret_n of them. */
const struct sp_rule *const *sp_rules(size_t *ret_n);

/* Checks every message of the document, contents of Any too. */
void sp_rules_check(const struct sp_doc *doc, struct sp_diag *diag);

/* The same of one file that was attached (sp_doc_attach): its root message. */
void sp_rules_check_under(const struct sp_doc *doc, const ProtobufCMessage *root, struct sp_diag *diag);

#endif
