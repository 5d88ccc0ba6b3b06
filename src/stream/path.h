/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Normalising a request's path before anything looks at it: HttpConnectionManager.normalize_path, merge_slashes and
 * path_with_escaped_slashes_action, with the results of Envoy.  The query is left alone.  Pure; any thread.
 *
 * normalize_path: dot segments are resolved (RFC 3986 section 5.2.4), "\" becomes "/", escapes of unreserved characters
 * are decoded, characters that may not stand in a path are escaped, %00 is refused.  A dot segment is one with its dots
 * escaped, too, and one with parameters behind it ("/..;x/"), which some origins resolve as "/../".
 */
#ifndef SP_STREAM_PATH_H
#define SP_STREAM_PATH_H

#include "base/arena.h"

enum sp_slashes { SP_SLASHES_KEEP, SP_SLASHES_REJECT, SP_SLASHES_REDIRECT, SP_SLASHES_FORWARD };

struct sp_path_rules {
    bool normalize, merge_slashes;
    uint8_t escaped_slashes; /* enum sp_slashes: for %2F and %5C */
};

enum sp_path_result {
    SP_PATH_OK,
    SP_PATH_REJECT,   /* answer 400 */
    SP_PATH_REDIRECT, /* answer 307 to *path */
};

/* *path begins with '/'. It stays the same slice when nothing had to be changed, else it is in `arena`. */
enum sp_path_result sp_path_normalize(const struct sp_path_rules *rules, struct sp_arena *arena, struct sp_str *path);

#endif
