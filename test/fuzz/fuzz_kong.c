/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kong's declarative files, whatever is in them, become YAML or a list of what is wrong. */
#include <stdint.h>
#include <stdlib.h>

#include "tools/convert_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_convert c = {.file.name = "k.yaml", .http_port = 8000, .https_port = 8443};
    struct sp_diag diag;
    struct sp_node *root = NULL;
    char *text = NULL;
    size_t len = 0;
    FILE *said = fopen("/dev/null", "we");
    sp_arena_init(&c.arena);
    sp_arena_init(&c.file.arena);
    sp_diag_init(&diag);
    c.to = open_memstream(&text, &len);
    if (sp_node_parse_yaml(&c.file.arena, "k.yaml", sp_str_n((const char *)data, size), &diag, &root) == 0 && root && root->kind == SP_NODE_MAP) {
        c.file.root = root;
        if (sp_kong_read(&c.kong, &c.file, said))
            sp_convert_all(&c);
        sp_kong_tell(&c.file, said);
    }
    fclose(c.to);
    fclose(said);
    free(text);
    sp_diag_done(&diag);
    sp_kong_file_done(&c.file);
    sp_arena_done(&c.arena);
    return 0;
}
