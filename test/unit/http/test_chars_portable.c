/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests of http/chars.h once more, with what runs where there is no SSE2. */
#define SP_CHARS_PORTABLE
#include "unit/http/test_chars.c"
