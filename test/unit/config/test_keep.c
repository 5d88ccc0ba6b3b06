/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the next config finds again, while threads give their references up. */
#include "config/keep.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"

struct object {
    struct sp_kept kept;
    int number;
};

static _Atomic int alive;

static void object_free(struct sp_kept *k)
{
    struct object *o = SP_CONTAINER_OF(k, struct object, kept);
    o->number = -1;
    alive--;
    free(o);
}

static const struct sp_kept_kind kind = {"object", object_free}, other = {"other", object_free};

static struct object *add(const struct sp_kept_kind *of, const char *name, int number)
{
    struct sp_hash key = {{0}};
    struct object *o = sp_xcalloc(1, sizeof(*o));
    sp_hash_mix(&key, sp_str_c(name));
    o->number = number;
    alive++;
    sp_keep_add(&o->kept, of, &key);
    return o;
}

static struct object *find(const struct sp_kept_kind *of, const char *name)
{
    struct sp_hash key = {{0}};
    sp_hash_mix(&key, sp_str_c(name));
    struct sp_kept *k = sp_keep_find(of, &key);
    return k ? SP_CONTAINER_OF(k, struct object, kept) : NULL;
}

static void test_kinds_and_keys(void **state)
{
    assert_null(find(&kind, "a"));
    struct object *a = add(&kind, "a", 1), *b = add(&kind, "b", 2), *c = add(&other, "a", 3);
    assert_ptr_equal(find(&kind, "a"), a);
    assert_ptr_equal(find(&kind, "b"), b);
    assert_ptr_equal(find(&other, "a"), c);
    assert_null(find(&other, "b"));
    assert_int_equal(sp_keep_count(&kind), 2);
    assert_int_equal(sp_keep_count(NULL), 3);
    struct object *all[] = {a, b, c};
    for (int i = 0; i < 3; i++) {
        sp_kept_unref(&all[i]->kept);
        assert_int_equal(alive, 3 - i);
        sp_kept_unref(&all[i]->kept);
        assert_int_equal(alive, 2 - i);
    }
    assert_null(find(&kind, "a"));
    assert_int_equal(sp_keep_count(NULL), 0);
    sp_kept_unref(NULL);
}

/* The later one is found, and the earlier one goes when its users do. */
static void test_one_takes_the_place_of_another(void **state)
{
    struct object *old = add(&kind, "a", 1), *new = add(&kind, "a", 2);
    assert_ptr_equal(find(&kind, "a"), new);
    sp_kept_unref(&new->kept);
    sp_kept_unref(&old->kept);
    assert_ptr_equal(find(&kind, "a"), new);
    sp_kept_unref(&new->kept);
    sp_kept_unref(&new->kept);
    assert_int_equal(alive, 0);
}

enum { ROUNDS = 20000 };

static _Atomic(struct object *) handed;
static _Atomic bool over;

/* A worker whose last connection ends. */
static void *give_up(void *arg)
{
    while (!over) {
        struct object *o = atomic_exchange(&handed, NULL);
        if (o)
            sp_kept_unref(&o->kept);
    }
    return NULL;
}

static void test_races(void **state)
{
    pthread_t thread;
    int found = 0;
    over = false;
    pthread_create(&thread, NULL, give_up, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        struct object *o = find(&kind, "a");
        found += o != NULL;
        if (!o)
            o = add(&kind, "a", 7);
        assert_int_equal(o->number, 7);
        struct object *before = atomic_exchange(&handed, o);
        if (before)
            sp_kept_unref(&before->kept);
    }
    over = true;
    pthread_join(thread, NULL);
    struct object *last = atomic_exchange(&handed, NULL);
    if (last)
        sp_kept_unref(&last->kept);
    assert_true(found > 0);
    assert_int_equal(alive, 0);
    assert_int_equal(sp_keep_count(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_and_keys),
        cmocka_unit_test(test_one_takes_the_place_of_another),
        cmocka_unit_test(test_races),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
