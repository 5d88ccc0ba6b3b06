/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/regex.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/mem.h"

enum { GROUPS = 10, JIT_STACK_MIN = 32 * 1024, JIT_STACK_MAX = 512 * 1024 };

struct sp_regex {
    pcre2_code *full;   /* anchored at both ends when compiled: as a match option that would switch JIT off */
    pcre2_code *search; /* NULL without SP_REGEX_SEARCH */
    uint32_t groups;
};

/* What one thread matches with. */
struct scratch {
    pcre2_match_data *data;
    pcre2_jit_stack *stack;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t scratch_key;
static pcre2_general_context *memory; /* that a match does not fail for want of it: what cannot be matched may be what refuses */
static pcre2_match_context *limits;
static _Thread_local struct scratch *scratch_self;

static void scratch_free(void *p)
{
    struct scratch *s = p;
    pcre2_match_data_free(s->data);
    pcre2_jit_stack_free(s->stack);
    free(s);
}

static pcre2_jit_stack *stack_of_thread(void *unused)
{
    return scratch_self ? scratch_self->stack : NULL;
}

static void *take(size_t size, void *unused)
{
    return sp_xmalloc(size);
}

static void give(void *p, void *unused)
{
    free(p);
}

static void init(void)
{
    memory = pcre2_general_context_create(take, give, NULL);
    limits = pcre2_match_context_create(memory);
    if (!limits || pthread_key_create(&scratch_key, scratch_free) != 0)
        abort(); /* at the start: the first expression of the first config */
    pcre2_set_match_limit(limits, SP_REGEX_MATCH_LIMIT);
    /* For builds of PCRE2 without JIT: the interpreter's heap is bounded too. */
    pcre2_set_depth_limit(limits, SP_REGEX_MATCH_LIMIT);
    pcre2_set_heap_limit(limits, 4096);
    pcre2_jit_stack_assign(limits, stack_of_thread, NULL);
}

static struct scratch *scratch(void)
{
    if (SP_LIKELY(scratch_self != NULL))
        return scratch_self;
    struct scratch *s = sp_xcalloc(1, sizeof(*s));
    s->data = pcre2_match_data_create(GROUPS, memory);
    s->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, memory); /* NULL: there are 32 KiB on the thread's own */
    if (!s->data || pthread_setspecific(scratch_key, s) != 0)
        abort(); /* neither takes memory that could be out */
    scratch_self = s;
    return s;
}

static pcre2_code *compile(struct sp_str pattern, uint32_t options, char why[SP_REGEX_WHY_MAX])
{
    int err;
    size_t offset;
    options |= PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, options, &err, &offset, NULL);
    if (code) {
        /* Without JIT the interpreter does it, under the same limits. */
        pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
        return code;
    }
    char text[160];
    pcre2_get_error_message(err, (PCRE2_UCHAR *)text, sizeof(text));
    snprintf(why, SP_REGEX_WHY_MAX, "%s, at byte %zu", text, offset);
    return NULL;
}

struct sp_regex *sp_regex_new(struct sp_str pattern, unsigned flags, char why[SP_REGEX_WHY_MAX])
{
    assert(pattern.ptr && why);
    pthread_once(&once, init);
    if (pattern.len > SP_REGEX_MAX_PATTERN) {
        snprintf(why, SP_REGEX_WHY_MAX, "longer than %d bytes", SP_REGEX_MAX_PATTERN);
        return NULL;
    }
    uint32_t options = flags & SP_REGEX_ICASE ? PCRE2_CASELESS : 0;
    struct sp_regex *r = sp_xcalloc(1, sizeof(*r));
    r->full = compile(pattern, options | PCRE2_ANCHORED | PCRE2_ENDANCHORED, why);
    if (r->full && (flags & SP_REGEX_SEARCH))
        r->search = compile(pattern, options, why);
    if (!r->full || ((flags & SP_REGEX_SEARCH) && !r->search)) {
        sp_regex_free(r);
        return NULL;
    }
    pcre2_pattern_info(r->full, PCRE2_INFO_CAPTURECOUNT, &r->groups);
    return r;
}

void sp_regex_free(struct sp_regex *r)
{
    if (!r)
        return;
    pcre2_code_free(r->full);
    pcre2_code_free(r->search);
    free(r);
}

static int match(const pcre2_code *code, struct sp_str text, size_t at, struct scratch *s)
{
    PCRE2_SPTR p = (PCRE2_SPTR)(text.ptr ? text.ptr : "");
    return pcre2_match(code, p, text.len, at, 0, s->data, limits);
}

/* Whatever is neither a match nor "no match" is a limit, or is treated as one: the caller refuses. */
static bool judge(int rc, bool *ret_limit)
{
    if (ret_limit)
        *ret_limit = rc < 0 && rc != PCRE2_ERROR_NOMATCH;
    return rc >= 0;
}

bool sp_regex_full_match(const struct sp_regex *r, struct sp_str text, bool *ret_limit)
{
    assert(r);
    return judge(match(r->full, text, 0, scratch()), ret_limit);
}

bool sp_regex_search(const struct sp_regex *r, struct sp_str text, bool *ret_limit)
{
    assert(r && r->search);
    return judge(match(r->search, text, 0, scratch()), ret_limit);
}

bool sp_regex_groups(const struct sp_regex *r, struct sp_str text, struct sp_str *groups, unsigned n)
{
    assert(r && r->search && groups && n <= GROUPS);
    struct scratch *s = scratch();
    int rc = match(r->search, text, 0, s);
    const size_t *v = pcre2_get_ovector_pointer(s->data);
    if (rc == 0) /* more groups than there is room for */
        rc = GROUPS;
    for (size_t i = 0; i < n; i++)
        groups[i] = (int)i < rc && v[2 * i] != PCRE2_UNSET ? sp_str_n(text.ptr + v[2 * i], v[2 * i + 1] - v[2 * i]) : SP_STR_NULL;
    return rc > 0;
}

unsigned sp_regex_n_groups(const struct sp_regex *r)
{
    assert(r);
    return r->groups;
}

int sp_regex_check_substitution(const struct sp_regex *r, struct sp_str with, char why[SP_REGEX_WHY_MAX])
{
    assert(r && why);
    for (size_t i = 0; i < with.len; i++) {
        if (with.ptr[i] != '\\')
            continue;
        char c = ++i < with.len ? with.ptr[i] : 0;
        if (c == '\\')
            continue;
        if (c < '0' || c > '9') {
            snprintf(why, SP_REGEX_WHY_MAX, "a backslash at byte %zu without a digit or a second backslash behind it", i - 1);
            return -EINVAL;
        }
        if ((uint32_t)(c - '0') > r->groups) {
            snprintf(why, SP_REGEX_WHY_MAX, "\\%c, but the pattern has %u groups", c, r->groups);
            return -EINVAL;
        }
    }
    return 0;
}

/* A text that grows in an arena, up to max bytes. */
struct out {
    struct sp_arena *arena;
    char *ptr;
    size_t len, cap, max;
    bool full;
};

static void put(struct out *o, const char *p, size_t n)
{
    if (n > o->max - o->len)
        o->full = true;
    if (o->full || !n)
        return;
    if (n > o->cap - o->len) {
        size_t cap = SP_MAX(o->cap * 2, o->len + n + 64);
        char *ptr = sp_arena_alloc(o->arena, cap + 1);
        if (o->len)
            memcpy(ptr, o->ptr, o->len);
        o->ptr = ptr;
        o->cap = cap;
    }
    memcpy(o->ptr + o->len, p, n);
    o->len += n;
}

static void put_with(struct out *o, struct sp_str text, struct sp_str with, pcre2_match_data *data, int groups)
{
    const size_t *v = pcre2_get_ovector_pointer(data);
    for (size_t i = 0; i < with.len; i++) {
        if (with.ptr[i] != '\\' || i + 1 == with.len) {
            put(o, &with.ptr[i], 1);
            continue;
        }
        char c = with.ptr[++i];
        size_t g = (size_t)(unsigned char)c - '0';
        if (c == '\\')
            put(o, "\\", 1);
        else if (g < (size_t)groups && v[2 * g] != PCRE2_UNSET)
            put(o, text.ptr + v[2 * g], v[2 * g + 1] - v[2 * g]);
    }
}

struct sp_str sp_regex_substitute(const struct sp_regex *r, struct sp_str text, struct sp_str with, size_t max,
                                  struct sp_arena *arena)
{
    assert(r && r->search && arena);
    struct scratch *s = scratch();
    struct out o = {.arena = arena, .max = max};
    size_t at = 0, copied = 0, last_end = SIZE_MAX;
    unsigned n = 0;
    int rc;
    while (at <= text.len && (rc = match(r->search, text, at, s)) != PCRE2_ERROR_NOMATCH) {
        if (rc < 0 || ++n > SP_REGEX_MAX_REPLACED || o.full)
            return SP_STR_NULL;
        const size_t *v = pcre2_get_ovector_pointer(s->data);
        size_t start = v[0], end = v[1];
        /* \K moves starts; PCRE2 before 10.38 let a lookahead move one behind its end. */
        if (start < copied || end < start)
            return SP_STR_NULL;
        /* An empty match right behind the last one is none: "a*" in "baac" is "-b-c-". */
        if (start != end || start != last_end) {
            put(&o, text.ptr + copied, start - copied);
            put_with(&o, text, with, s->data, rc);
            copied = last_end = end;
        }
        at = end > at ? end : at + 1;
    }
    if (!n)
        return text;
    put(&o, text.ptr + copied, text.len - copied);
    return o.full ? SP_STR_NULL : sp_str_n(o.ptr ? o.ptr : "", o.len);
}
