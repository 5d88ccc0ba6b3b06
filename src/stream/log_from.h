/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opens a log file that a config names (stream/log_file.h), and says what is wrong with it where it is named. */
#ifndef SP_STREAM_LOG_FROM_H
#define SP_STREAM_LOG_FROM_H

#include "config/doc.h"
#include "stream/log_file.h"

/* 0, or negative errno after an error about msg's field. */
int sp_log_file_from(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field, const char *path,
                struct sp_log_file **ret);

#endif
