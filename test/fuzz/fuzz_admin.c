/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the admin page is asked: the first byte says by which method, the rest is the target.  A query's parameters are texts without their
 * escapes; a filter is a regular expression or a 400 that says why; ?resource, ?mask and ?name_regex leave of a config dump a part of it,
 * as JSON, or a refusal; /logging sets what it says or nothing.  No answer has a line that the query wrote.
 */
#include <stdlib.h>

#include "admin/dump_query.h"
#include "base/log.h"
#include "base/regex.h"
#include "head_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char dump[] =
    "{\"configs\":["
    "{\"@type\":\"b\",\"bootstrap\":{\"node\":{\"id\":\"n\"},\"admin\":{\"address\":{\"port\":1}}},\"last_updated\":\"x\"},"
    "{\"@type\":\"c\",\"static_clusters\":[{\"cluster\":{\"@type\":\"k\",\"name\":\"one\",\"hosts\":[1,2]},\"last_updated\":\"x\"},"
    "{\"cluster\":{\"name\":\"two\"}}],"
    "\"dynamic_active_clusters\":[{\"version_info\":\"1\",\"cluster\":{\"name\":\"three\"}},{\"cluster\":{}}]},"
    "{\"@type\":\"l\",\"dynamic_listeners\":[{\"name\":\"door\",\"active_state\":{\"listener\":{\"name\":\"door\"}}}]},"
    "{\"@type\":\"s\",\"static_secrets\":[{\"name\":\"key\",\"secret\":{\"name\":\"key\"}},{\"name\":7}]},{\"@type\":\"e\"}]}";

static struct sp_str text_of(const struct sp_admin_answer *a, struct sp_arena *arena)
{
    char *text = sp_arena_alloc(arena, a->body.len + 1);
    size_t n = sp_buf_peek(&a->body, text, a->body.len);
    text[n] = '\0';
    return sp_str_n(text, n);
}

/* Lines of a refusal: what is of the query in it has no control bytes. */
static void check_refusal(struct sp_str text, unsigned lines)
{
    unsigned n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += text.ptr[i] == '\n';
        CHECK(text.ptr[i] == '\n' || !((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == '\x7f'));
    }
    CHECK(text.len && n == lines);
}

/* Whether all that is in `part` stands in `whole` so: members and entries may be missing. */
static bool is_part(const json_t *part, const json_t *whole)
{
    const char *name;
    json_t *v;
    if (!json_is_object(part))
        return json_equal(part, whole);
    json_object_foreach((json_t *)(uintptr_t)part, name, v) {
        if (!is_part(v, json_object_get(whole, name)))
            return false;
    }
    return true;
}

/* Every entry of the answer comes of a section, or of a list in one. */
static bool comes_of(json_t *entry, json_t *whole)
{
    size_t i, k;
    json_t *section, *list, *one;
    const char *name;
    json_array_foreach(json_object_get(whole, "configs"), i, section) {
        json_t *rest = json_deep_copy(entry);
        json_object_foreach(section, name, list) {
            if (json_is_array(list) && json_is_array(json_object_get(rest, name)))
                json_object_del(rest, name); /* some of its entries */
            json_array_foreach(list, k, one) {
                json_t *bare = json_deep_copy(entry);
                json_object_del(bare, "@type");
                bool found = is_part(bare, one);
                json_decref(bare);
                if (found) {
                    json_decref(rest);
                    return true;
                }
            }
        }
        bool found = is_part(rest, section);
        json_decref(rest);
        if (found)
            return true;
    }
    return false;
}

static void dumps(const struct sp_admin_request *r)
{
    struct sp_admin_answer a;
    struct sp_dump_query q;
    size_t i;
    json_t *one;
    sp_admin_answer_init(&a);
    if (!sp_dump_query_read(&q, r, &a)) {
        CHECK(a.status == 400);
        check_refusal(text_of(&a, r->arena), 1);
        sp_buf_clear(&a.body);
        return;
    }
    if (sp_dump_query_asks(&q)) {
        sp_buf_append(&a.body, dump, sizeof(dump) - 1);
        sp_dump_query_apply(&q, &a);
        struct sp_str text = text_of(&a, r->arena);
        if (a.status == 200) {
            json_t *root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL), *whole = json_loads(dump, 0, NULL);
            CHECK(json_is_array(json_object_get(root, "configs")));
            json_array_foreach(json_object_get(root, "configs"), i, one)
                CHECK(comes_of(one, whole));
            json_decref(root);
            json_decref(whole);
        } else {
            CHECK(a.status == 400 || a.status == 404);
            check_refusal(text, 1);
        }
    }
    sp_dump_query_done(&q);
    sp_buf_clear(&a.body);
}

static void filters(const struct sp_admin_request *r)
{
    struct sp_admin_answer a;
    struct sp_regex *filter = NULL;
    sp_admin_answer_init(&a);
    if (sp_admin_filter(r, &a, &filter)) {
        CHECK(a.status == 200 && a.body.len == 0);
        if (filter)
            sp_regex_search(filter, SP_STR("cluster.one.upstream_rq_total"), NULL);
    } else {
        CHECK(a.status == 400 && !filter);
        check_refusal(text_of(&a, r->arena), 1);
    }
    sp_regex_free(filter);
    sp_buf_clear(&a.body);
}

/* Those that need no server. */
static void answers(const struct sp_admin_request *r)
{
    struct sp_admin_answer a;
    const struct sp_admin_handler *h = sp_admin_handler_find(r->path);
    if (h && !sp_str_eq(r->path, SP_STR("/logging")) && !sp_str_eq(r->path, SP_STR("/help")) && !sp_str_eq(r->path, SP_STR("/memory")))
        return;
    sp_admin_answer_init(&a);
    sp_admin_dispatch(r, &a);
    struct sp_str text = text_of(&a, r->arena);
    CHECK(h ? a.status != 404 : a.status == 404);
    for (size_t i = 0; i < text.len; i++)
        CHECK(text.ptr[i] == '\n' || (unsigned char)text.ptr[i] >= ' ');
    sp_buf_clear(&a.body);
    sp_log_set_level(SP_LOG_OFF);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT"};
    struct sp_arena arena;
    struct sp_str value;
    if (size < 1)
        return 0;
    sp_log_set_level(SP_LOG_OFF);
    sp_arena_init(&arena);
    struct sp_admin_request r = {.method = sp_str_c(methods[data[0] & 3]), .arena = &arena};
    struct sp_str target = sp_str_n((const char *)data + 1, size - 1);
    sp_admin_split(target, &r.path, &r.query);
    CHECK(r.path.len + r.query.len <= target.len && sp_str_chr(r.path, '?') < 0);
    static const char *const names[] = {"limit", "by", "listener", "since", "cluster", "offset", "type"};
    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++)
        if (sp_admin_param(&r, names[i], &value))
            CHECK(value.len <= r.query.len && value.ptr[value.len] == '\0');
    sp_admin_wants_json(&r);
    dumps(&r);
    filters(&r);
    answers(&r);
    sp_arena_done(&arena);
    sp_buf_thread_done();
    sp_arena_thread_done();
    return 0;
}
