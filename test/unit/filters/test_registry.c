/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What holds for every filter there is: whoever refuses can be watched first, a gate by fields of its own, all others in a
 * Staged.
 */
#include "fake_chain.h"

#include "config/types.h"
#include "filters/registry.h"

static const ProtobufCMessageDescriptor *type_of(const char *name)
{
    char url[200];
    snprintf(url, sizeof(url), SP_TYPE_PREFIX "%s", name);
    return sp_type_find(sp_str_c(url));
}

static void test_types_are_known(void **state)
{
    for (const struct sp_filter_ops *const *o = sp_filter_registry(); *o; o++) {
        if (!type_of((*o)->type_url))
            fail_msg("%s: %s is not in config/types.c", (*o)->name, (*o)->type_url);
        if ((*o)->route_type_url && !type_of((*o)->route_type_url))
            fail_msg("%s: %s is not in config/types.c", (*o)->name, (*o)->route_type_url);
        assert_true((*o)->config_new && (*o)->size >= sizeof(struct sp_filter));
        assert_int_equal(!(*o)->route_type_url, !(*o)->route_config_new);
    }
}

static void test_gates_stage_themselves(void **state)
{
    unsigned gates = 0;
    for (const struct sp_filter_ops *const *o = sp_filter_registry(); *o; o++) {
        if (!(*o)->gate)
            continue;
        const ProtobufCMessageDescriptor *type = type_of((*o)->type_url);
        if (!protobuf_c_message_descriptor_get_field_by_name(type, "enforcement") ||
            !protobuf_c_message_descriptor_get_field_by_name(type, "enforced_percent"))
            fail_msg("%s: a gate without enforcement and enforced_percent", (*o)->name);
        assert_null((*o)->not_staged);
        gates++;
    }
    assert_true(gates >= 3);
}

/* Filters that never refuse say so; the router and the gates need not. */
static void test_who_is_not_staged_says_why(void **state)
{
    for (const struct sp_filter_ops *const *o = sp_filter_registry(); *o; o++)
        if ((*o)->not_staged)
            assert_true(!(*o)->gate && !(*o)->terminal && strlen((*o)->not_staged) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_are_known),
        cmocka_unit_test(test_gates_stage_themselves),
        cmocka_unit_test(test_who_is_not_staged_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
