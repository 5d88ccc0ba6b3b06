/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The YAML and JSON readers, seen through google.protobuf.Struct, which takes anything. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/node.h"
#include "google/protobuf/struct.pb-c.h"

#define ROOT (&google__protobuf__struct__descriptor)

static void good(enum sp_syntax syntax, const char *text, const char *json)
{
    struct sp_doc *doc = load_good(ROOT, syntax, text);
    char *got = dumped(doc, sp_doc_root(doc));
    assert_string_equal(got, json);
    free(got);
    sp_doc_free(doc);
}

static void bad(enum sp_syntax syntax, const char *text, const char *errors)
{
    load_bad(ROOT, syntax, text, errors);
}

static void test_yaml_scalars(void **state)
{
    good(SP_SYNTAX_YAML, "a: true\nb: yes\nc: Off\nd: N\ne: tRUE\nf: yEs\n",
         "{\"a\": true,\"b\": true,\"c\": false,\"d\": false,\"e\": \"tRUE\",\"f\": \"yEs\"}");
    good(SP_SYNTAX_YAML, "a: 12\nb: -0x1F\nc: 017\nd: +3\ne: 08\nf: 0x\ng: 0\nh: +\n",
         "{\"a\": 12,\"b\": -31,\"c\": 15,\"d\": 3,\"e\": \"08\",\"f\": \"0x\",\"g\": 0,\"h\": \"+\"}");
    /* Floats stay strings, as Envoy has it. */
    good(SP_SYNTAX_YAML, "a: 1.5\nb: 1e3\n", "{\"a\": \"1.5\",\"b\": \"1e3\"}");
    good(SP_SYNTAX_YAML, "a:\nb: ~\nc: null\nd: NULL\ne: nULL\nf: ''\n",
         "{\"a\": null,\"b\": null,\"c\": null,\"d\": null,\"e\": \"nULL\",\"f\": \"\"}");
    good(SP_SYNTAX_YAML, "a: '12'\nb: \"true\"\nc: !!str 12\nd: ! yes\ne: |\n  x\n  y\nf: >-\n  1\n",
         "{\"a\": \"12\",\"b\": \"true\",\"c\": \"12\",\"d\": \"yes\",\"e\": \"x\\u000ay\\u000a\",\"f\": \"1\"}");
    good(SP_SYNTAX_YAML, "\xef\xbb\xbf" "a: gr\xc3\xbc\xc3\x9f\n", "{\"a\": \"gr\xc3\xbc\xc3\x9f\"}");
}

static void test_yaml_collections(void **state)
{
    good(SP_SYNTAX_YAML, "a: [1, [2], {b: c}]\nd: {}\ne: []\n", "{\"a\": [1,[2],{\"b\": \"c\"}],\"d\": {},\"e\": []}");
    good(SP_SYNTAX_YAML, "{\"a\": [1, 2.5], \"b\": null}", "{\"a\": [1,\"2.5\"],\"b\": null}");
    good(SP_SYNTAX_YAML, "---\na: 1\n...\n", "{\"a\": 1}");
}

static void test_yaml_aliases(void **state)
{
    good(SP_SYNTAX_YAML, "a: &x {b: 1}\nc: *x\nd: [*x, &y 2, *y]\n",
         "{\"a\": {\"b\": 1},\"c\": {\"b\": 1},\"d\": [{\"b\": 1},2,2]}");
    good(SP_SYNTAX_YAML, "a: &x 1\nb: &x 2\nc: *x\n", "{\"a\": 1,\"b\": 2,\"c\": 2}");
    good(SP_SYNTAX_YAML, "&k key: 1\nother: *k\n", "{\"key\": 1,\"other\": \"key\"}");
    good(SP_SYNTAX_YAML, "!ignore x: [&a {b: 1}]\nc: *a\n", "{\"c\": {\"b\": 1}}");
    bad(SP_SYNTAX_YAML, "a: *x\n", "t.yaml:1:4: *x has no anchor above it (write &x before the value it repeats)\n");
    bad(SP_SYNTAX_YAML, "a: &m {b: *m}\n",
        "t.yaml:1:11: *m stands inside what &m names (an alias cannot hold itself)\n");
    bad(SP_SYNTAX_YAML, "a: &m [1]\n*m : 2\n",
        "t.yaml:2:1: a list or mapping cannot be a key (a key is plain text)\n");
}

static void test_yaml_syntax_errors(void **state)
{
    bad(SP_SYNTAX_YAML, "a: [1, 2\n", "t.yaml:2:1: this is not YAML: did not find expected ',' or ']', while parsing a "
                                      "flow sequence (mend the syntax)\n");
    bad(SP_SYNTAX_YAML, "a: 1\n b: 2\n",
        "t.yaml:2:3: this is not YAML: mapping values are not allowed in this context (mend the syntax)\n");
    bad(SP_SYNTAX_YAML, "a:\n  b: {\n\tc: 1}\n\td: 2\n", "t.yaml:4:1: this is not YAML: a tab (indent with spaces)\n");
    bad(SP_SYNTAX_YAML, "a: 'x", "t.yaml:1:6: this is not YAML: found unexpected end of stream, while scanning a quoted "
                                 "scalar (mend the syntax)\n");
    bad(SP_SYNTAX_YAML, "a: \xff\n", "t.yaml: byte 3: invalid leading UTF-8 octet (the file has to be UTF-8 text)\n");
    bad(SP_SYNTAX_YAML, "a: 1\n---\nb: 2\n",
        "t.yaml:2:1: a second document begins here (a config is one document: remove the ---)\n");
    bad(SP_SYNTAX_YAML, "", "t.yaml: there is nothing in it (expected a config)\n");
    bad(SP_SYNTAX_YAML, "# only a comment\n", "t.yaml: there is nothing in it (expected a config)\n");
    bad(SP_SYNTAX_YAML, "? [a]\n: 1\n", "t.yaml:1:3: a list or mapping cannot be a key (a key is plain text)\n");
    bad(SP_SYNTAX_YAML, "a: !foo 1\n",
        "t.yaml:1:4: the tag !foo has no meaning here (only !ignore, before a key, is known)\n");
    bad(SP_SYNTAX_YAML, "a: !ignore 1\n",
        "t.yaml:1:4: the tag !ignore has no meaning here (only !ignore, before a key, is known)\n");
    bad(SP_SYNTAX_YAML, "a: &x {b: 1}\nc:\n  <<: *x\n",
        "t.yaml:3:3: merge keys (<<) are not read, here or by Envoy (write the fields out)\n");
}

static void test_duplicate_keys(void **state)
{
    bad(SP_SYNTAX_YAML, "a: 1\nb:\n  c: 1\n  c: 2\na: 3\n",
        "t.yaml:4:3: the key \"c\" is written twice, first in line 3 (remove one)\n"
        "t.yaml:5:1: the key \"a\" is written twice, first in line 1 (remove one)\n");
    bad(SP_SYNTAX_JSON, "{\"a\": 1,\n \"\\u0061\": 2}",
        "t.json:2:2: the key \"a\" is written twice, first in line 1 (remove one)\n");
    /* Many keys go another way. */
    char text[2000];
    size_t n = 0;
    for (int i = 0; i < 50; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "k%d: 1\n", i);
    snprintf(text + n, sizeof(text) - n, "k7: 2\n");
    bad(SP_SYNTAX_YAML, text, "t.yaml:51:1: the key \"k7\" is written twice, first in line 8 (remove one)\n");
}

static void test_json(void **state)
{
    good(SP_SYNTAX_JSON, " { \"a\" : [ 1 , -0.5 , 1e3 , true , false , null ] ,\r\n\t\"b\" : { } } ",
         "{\"a\": [1,-0.5,1000,true,false,null],\"b\": {}}");
    good(SP_SYNTAX_JSON, "{\"a\": \"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"}",
         "{\"a\": \"\\\"\\\\/\\u0008\\u000c\\u000a\\u000d\\u0009\xc3\xa9\xf0\x9f\x98\x80\"}");
    good(SP_SYNTAX_JSON, "{\"a\": \"yes\", \"b\": \"12\"}", "{\"a\": \"yes\",\"b\": \"12\"}");
}

static void test_json_errors(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "1:1: this is not JSON: it ends where a value was expected"},
        {"{\"a\": ", "1:7: this is not JSON: it ends where a value was expected"},
        {"{\"a\": 1", "1:8: this is not JSON: a ',' or '}' was expected here"},
        {"{\"a\": [1 2]}", "1:10: this is not JSON: a ',' or ']' was expected here"},
        {"{\"a\": 1,}", "1:9: this is not JSON: a key in double quotes was expected here"},
        {"{\"a\": [1,]}", "1:10: this is not JSON: a value was expected here"},
        {"{a: 1}", "1:2: this is not JSON: a key in double quotes was expected here"},
        {"{\"a\" 1}", "1:6: this is not JSON: a ':' was expected here"},
        {"{\"a\": 01}", "1:7: this is not JSON: a value was expected here"},
        {"{\"a\": 1.}", "1:7: this is not JSON: a number that ends in its point"},
        {"{\"a\": 1e}", "1:7: this is not JSON: a number without an exponent behind its e"},
        {"{\"a\": yes}", "1:7: this is not JSON: a value was expected here"},
        {"{\"a\": NaN}", "1:7: this is not JSON: a value was expected here"},
        {"{\"a\": 'x'}", "1:7: this is not JSON: a value was expected here"},
        {"{\"a\": \"x", "1:8: this is not JSON: the string has no end"},
        {"{\"a\": \"\\", "1:8: this is not JSON: the string has no end"},
        {"{\"a\": \"\\x\"}", "1:9: this is not JSON: unknown escape (only \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX)"},
        {"{\"a\": \"\\u12\"}", "1:12: this is not JSON: \\u needs four hexadecimal digits"},
        {"{\"a\": \"\\ud83d\"}", "1:14: this is not JSON: half of a surrogate pair"},
        {"{\"a\": \"\\ude00\"}", "1:14: this is not JSON: half of a surrogate pair"},
        {"{\"a\": \"\\ud83d\\u0041\"}", "1:20: this is not JSON: half of a surrogate pair"},
        {"{\"a\": \"\n\"}", "1:8: this is not JSON: a control character in a string (write it as an escape)"},
        {"{\"a\": \"\xc0\x80\"}", "1:8: this is not JSON: a string that is not UTF-8"},
        {"{\"a\": \"\xed\xa0\x80\"}", "1:8: this is not JSON: a string that is not UTF-8"},
        {"{\"a\": \"\xf4\x90\x80\x80\"}", "1:8: this is not JSON: a string that is not UTF-8"},
        {"{\"a\": \"\xe2\x82\"}", "1:8: this is not JSON: a string that is not UTF-8"},
        {"{} x", "1:4: this is not JSON: something follows the end of the config"},
        {"{\"gr\xc3\xbc\": 1 /* c */}", "1:11: this is not JSON: a ',' or '}' was expected here"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        char want[200];
        snprintf(want, sizeof(want), "t.json:%s\n", cases[i].error);
        bad(SP_SYNTAX_JSON, cases[i].text, want);
    }
}

/* Strings are C strings in protobuf-c: a NUL would cut them short, unseen. */
static void test_nul(void **state)
{
    bad(SP_SYNTAX_YAML, "a: \"x\\0y\"\n", "t.yaml:1:4: [\"a\"]: a string with a NUL byte in it (take it out)\n");
    bad(SP_SYNTAX_JSON, "{\"a\": \"x\\u0000y\"}", "t.json:1:7: [\"a\"]: a string with a NUL byte in it (take it out)\n");
    bad(SP_SYNTAX_YAML, "\"x\\0y\": 1\n", "t.yaml:1:1: [\"x\"]: a string with a NUL byte in it (take it out)\n");
}

/* `n` opening brackets, a value, and their ends. */
static char *nested(unsigned n, bool open_only)
{
    char *text = sp_xmalloc(2 * n + 20);
    size_t len = (size_t)sprintf(text, "{\"a\":");
    memset(text + len, '[', n);
    len += n;
    if (!open_only) {
        memset(text + len, ']', n);
        len += n;
        text[len++] = '}';
    }
    text[len] = 0;
    return text;
}

static void test_depth(void **state)
{
    char *ok = nested(SP_NODE_MAX_DEPTH - 2, false), *deep = nested(SP_NODE_MAX_DEPTH, false),
         *very = nested(200000, true);
    static const enum sp_syntax both[] = {SP_SYNTAX_YAML, SP_SYNTAX_JSON};
    for (int i = 0; i < 2; i++) {
        sp_doc_free(load_good(ROOT, both[i], ok));
        const char *name = both[i] == SP_SYNTAX_YAML ? "yaml" : "json";
        char want[100];
        snprintf(want, sizeof(want), "t.%s:1:105: nested more than 100 levels deep (write it flatter)\n", name);
        bad(both[i], deep, want);
        bad(both[i], very, want);
    }
    free(ok);
    free(deep);
    free(very);
}

/* Depth that only aliases make. */
static void test_alias_depth(void **state)
{
    char text[4000];
    size_t n = (size_t)sprintf(text, "a0: &a0 [[[[[[[[[[1]]]]]]]]]]\n");
    for (int i = 1; i < 12; i++)
        n += (size_t)sprintf(text + n, "a%d: &a%d [[[[[[[[[[*a%d]]]]]]]]]]\n", i, i, i - 1);
    bad(SP_SYNTAX_YAML, text, "t.yaml:10:5: nested more than 100 levels deep (write it flatter)\n");
}

/* Nine anchors, each naming the one before nine times: 9^9 values from some 350 bytes. */
static void test_alias_bomb(void **state)
{
    char text[2000];
    size_t n = (size_t)sprintf(text, "a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 9; i++)
        n += (size_t)sprintf(text + n, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1,
                             i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    bad(SP_SYNTAX_YAML, text, "t.yaml:7:5: more than 1000000 values, aliases counted each time (write less)\n");
}

static void test_too_many_values(void **state)
{
    const size_t n = SP_NODE_MAX + 10;
    char *text = sp_xmalloc(2 * n + 20), *p = text + sprintf(text, "{\"a\":[");
    for (size_t i = 0; i < n; i++, p += 2)
        memcpy(p, "1,", 2);
    memcpy(p - 1, "]}", 3);
    bad(SP_SYNTAX_JSON, text, "t.json:1:2000003: more than 1000000 values (write less)\n");
    free(text);
}

static void test_too_many_anchors(void **state)
{
    char *text = sp_xmalloc(64 * (SP_NODE_MAX_ANCHORS + 2)), *p = text;
    for (int i = 0; i <= SP_NODE_MAX_ANCHORS; i++)
        p += sprintf(p, "k%d: &a%d 1\n", i, i);
    bad(SP_SYNTAX_YAML, text, "t.yaml:1025:8: more than 1024 anchors (use fewer)\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml_scalars),     cmocka_unit_test(test_yaml_collections),
        cmocka_unit_test(test_yaml_aliases),     cmocka_unit_test(test_yaml_syntax_errors),
        cmocka_unit_test(test_duplicate_keys),   cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_errors),      cmocka_unit_test(test_nul),
        cmocka_unit_test(test_depth),            cmocka_unit_test(test_alias_depth),
        cmocka_unit_test(test_alias_bomb),       cmocka_unit_test(test_too_many_values),
        cmocka_unit_test(test_too_many_anchors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
