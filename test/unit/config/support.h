/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the config tests share: loading a text and comparing all errors, or a JSON dump, with what is expected.
 */
#ifndef TEST_UNIT_CONFIG_SUPPORT_H
#define TEST_UNIT_CONFIG_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/doc.h"

/* Everything in `d` as it would be printed; free() it. */
char *printed(struct sp_diag *d);
/* Loads YAML or JSON as "t.yaml" or "t.json"; the test fails, showing the errors, if it does not load. */
struct sp_doc *load_good(const ProtobufCMessageDescriptor *root, enum sp_syntax syntax, const char *text);
/* Loads with all rules; the test fails unless exactly these lines are printed. */
void load_bad(const ProtobufCMessageDescriptor *root, enum sp_syntax syntax, const char *text, const char *errors);
/* The dump of a message without line ends and indentation; free() it. */
char *dumped(const struct sp_doc *doc, const void *msg);
/* Path of a file of this directory's data/. */
const char *data_path(const char *name);

#endif
