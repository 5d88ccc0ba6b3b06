/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as an HTTP/2 server: see h2_drive.h. */
#include "h2_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    drive(data, size, false);
    return 0;
}
