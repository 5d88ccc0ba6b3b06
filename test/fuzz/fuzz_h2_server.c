/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as an HTTP/2 client: see h2_drive.h. */
#include "h2_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    drive(data, size, true);
    return 0;
}
