/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sp_log_file: whole lines from many threads, time, full rings, pipes that nobody reads, rotation, the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "stream/log_file.h"
#include "stream/log_ring.h"

static char dir[] = "/tmp/sp-log-XXXXXX";
static char path[64], other[64];

static int make_dir(void **state)
{
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/a.log", dir);
    snprintf(other, sizeof(other), "%s/b.log", dir);
    return 0;
}

static int remove_dir(void **state)
{
    unlink(path);
    unlink(other);
    rmdir(dir);
    sp_buf_thread_done();
    return 0;
}

static int fresh(void **state)
{
    unlink(path);
    unlink(other);
    return 0;
}

static char *content(const char *name)
{
    FILE *f = fopen(name, "r");
    char *text = sp_xcalloc(1, 4 << 20);
    assert_non_null(f);
    text[fread(text, 1, (4 << 20) - 1, f)] = 0;
    fclose(f);
    return text;
}

static void holds(const char *name, const char *expected)
{
    char *text = content(name);
    assert_string_equal(text, expected);
    free(text);
}

static bool put(struct sp_log_file *f, const char *line)
{
    struct sp_buf b;
    sp_buf_init(&b);
    sp_buf_append(&b, line, strlen(line));
    bool done = sp_log_file_put(f, &b);
    sp_buf_clear(&b);
    return done;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static void rings_wrap(void **state)
{
    struct sp_log_ring *r = aligned_alloc(64, sizeof(*r) + 64);
    struct iovec iov[2];
    uint64_t seed = 7, put_n = 0, got_n = 0;
    memset(r, 0, sizeof(*r));
    r->size = 64;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 6364136223846793005u + 1;
        size_t n = (size_t)(seed >> 58);
        char bytes[64];
        struct sp_buf b;
        for (size_t k = 0; k < n; k++)
            bytes[k] = (char)(put_n + k);
        sp_buf_init(&b);
        sp_buf_append(&b, bytes, n / 2);
        sp_buf_append(&b, bytes + n / 2, n - n / 2);
        size_t room = 64 - sp_log_ring_used(r);
        assert_int_equal(sp_log_ring_put(r, &b), n <= room);
        put_n += n <= room ? n : 0;
        sp_buf_clear(&b);
        if (seed >> 40 & 1)
            continue;
        int pieces = sp_log_ring_peek(r, iov);
        size_t all = 0;
        for (int k = 0; k < pieces; k++) {
            assert_true(iov[k].iov_len > 0);
            for (size_t x = 0; x < iov[k].iov_len; x++)
                assert_int_equal(((char *)iov[k].iov_base)[x], (char)(got_n + all + x));
            all += iov[k].iov_len;
        }
        assert_int_equal(all, sp_log_ring_used(r));
        sp_log_ring_take(r, all / 2);
        got_n += all / 2;
    }
    free(r);
}

static void written_within_a_second_and_at_the_end(void **state)
{
    struct sp_log_file *f, *g;
    assert_int_equal(sp_log_file_open(path, &f), 0);
    assert_int_equal(sp_log_file_open(path, &g), 0);
    assert_ptr_equal(f, g);
    double start = now();
    assert_true(put(f, "one\n"));
    struct stat st = {0};
    while (now() - start < 3 && (stat(path, &st) < 0 || st.st_size < 4))
        sleep_ms(5);
    assert_int_equal(st.st_size, 4);
    assert_true(now() - start < 2.5);
    assert_true(put(f, "two\n"));
    sp_log_file_close(g);
    sp_log_file_thread_flush();
    holds(path, "one\ntwo\n");
    assert_true(put(f, "three\n"));
    start = now();
    sp_log_file_close(f);
    assert_true(now() - start < 0.9);
    holds(path, "one\ntwo\nthree\n");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07, 0);
    /* opened again it goes on behind what is there */
    assert_int_equal(sp_log_file_open(path, &f), 0);
    assert_true(put(f, "four\n"));
    sp_log_file_close(f);
    holds(path, "one\ntwo\nthree\nfour\n");
    sp_log_file_thread_flush();
    sp_log_file_close(NULL);
}

enum { THREADS = 4, LINES = 20000 };
static struct sp_log_file *shared[2];

static void *log_many(void *arg)
{
    char line[64];
    uint64_t dropped = 0;
    for (int i = 0; i < LINES; i++) {
        snprintf(line, sizeof(line), "%d %d abcdefghijklmnopqrstuvwxyz\n", (int)(intptr_t)arg, i);
        while (!put(shared[i % 2], line)) {
            dropped++;
            sleep_ms(1);
        }
    }
    sp_log_file_thread_flush();
    sp_buf_thread_done();
    return (void *)(uintptr_t)(dropped + 1);
}

static void many_threads_write_whole_lines_in_order(void **state)
{
    pthread_t t[THREADS];
    assert_int_equal(sp_log_file_open(path, &shared[0]), 0);
    assert_int_equal(sp_log_file_open(other, &shared[1]), 0);
    sp_log_file_counts();
    for (intptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, log_many, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    /* each thread waited for its own lines: nothing is left to do */
    for (int which = 0; which < 2; which++) {
        char *text = content(which ? other : path), *line = text;
        int next[THREADS], lines = 0;
        for (int i = 0; i < THREADS; i++)
            next[i] = which;
        for (char *end; (end = strchr(line, '\n')); line = end + 1, lines++) {
            int thread = 0, number = 0, used = 0;
            assert_int_equal(sscanf(line, "%d %d abcdefghijklmnopqrstuvwxyz%n", &thread, &number, &used), 2);
            assert_int_equal(line + used - end, 0);
            assert_int_equal(number, next[thread]);
            next[thread] += 2;
        }
        assert_int_equal(lines, THREADS * LINES / 2);
        assert_int_equal(*line, 0);
        free(text);
    }
    /* in batches, not line by line */
    struct sp_log_counts c = sp_log_file_counts();
    assert_true(c.written >= 2 && c.written < THREADS * LINES / 20);
    assert_int_equal(c.failed, 0);
    sp_log_file_close(shared[0]);
    sp_log_file_close(shared[1]);
}

static void a_full_ring_drops_whole_lines(void **state)
{
    struct sp_log_file *f;
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_int_equal(sp_log_file_open(path, &f), 0);
    char line[1001];
    memset(line, 'x', 999);
    line[999] = '\n';
    line[1000] = 0;
    /* nobody reads: the pipe's 64 KiB and the ring fill, then lines are dropped, and nothing waits */
    unsigned taken = 0, dropped = 0;
    double start = now();
    while (dropped < 100 && now() - start < 10)
        put(f, line) ? taken++ : dropped++;
    assert_int_equal(dropped, 100);
    assert_true(taken >= SP_LOG_RING / 1000 && taken <= (SP_LOG_RING + (1 << 20)) / 1000);
    assert_true(now() - start < 5);
    /* another file is written all the same */
    struct sp_log_file *g;
    assert_int_equal(sp_log_file_open(other, &g), 0);
    assert_true(put(g, "free\n"));
    start = now();
    struct stat st = {0};
    while (now() - start < 4 && (stat(other, &st) < 0 || st.st_size < 5))
        sleep_ms(5);
    assert_int_equal(st.st_size, 5);
    sp_log_file_close(g);
    /* what was taken comes out whole once somebody reads */
    size_t got = 0;
    char buf[65536];
    start = now();
    while (got < (size_t)taken * 1000 && now() - start < 10) {
        ssize_t n = read(reader, buf, sizeof(buf));
        for (ssize_t i = 0; i < n; i++, got++)
            assert_int_equal(buf[i], got % 1000 == 999 ? '\n' : 'x');
        if (n <= 0)
            sleep_ms(5);
    }
    assert_int_equal(got, (size_t)taken * 1000);
    sp_log_file_close(f);
    close(reader);
}

static void a_lost_reader_is_counted(void **state)
{
    struct sp_log_file *f;
    assert_int_equal(mkfifo(path, 0600), 0);
    /* without a reader it cannot even be opened */
    assert_int_equal(sp_log_file_open(path, &f), -ENXIO);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_int_equal(sp_log_file_open(path, &f), 0);
    sp_log_file_counts();
    close(reader);
    assert_true(put(f, "lost\n"));
    sp_log_file_thread_flush();
    struct sp_log_counts c = sp_log_file_counts();
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.written, 0);
    sp_log_file_close(f);
}

static void rotation(void **state)
{
    struct sp_log_file *f;
    assert_int_equal(sp_log_file_open(path, &f), 0);
    assert_true(put(f, "old\n"));
    sp_log_file_thread_flush();
    assert_int_equal(rename(path, other), 0);
    assert_true(put(f, "still old\n"));
    sp_log_file_reopen();
    struct stat st;
    double start = now();
    while (stat(path, &st) < 0 && now() - start < 3)
        sleep_ms(1);
    assert_true(put(f, "new\n"));
    sp_log_file_thread_flush();
    holds(other, "old\nstill old\n");
    holds(path, "new\n");
    /* a directory in the way: the old file goes on */
    sp_log_file_counts();
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    sp_log_file_reopen();
    uint64_t failed = 0;
    start = now();
    while (!failed && now() - start < 3) {
        failed = sp_log_file_counts().reopen_failed;
        sleep_ms(1);
    }
    assert_int_equal(failed, 1);
    assert_true(put(f, "on\n"));
    sp_log_file_close(f);
    rmdir(path);
    /* without any file it does nothing */
    sp_log_file_reopen();
}

static void what_cannot_be_opened(void **state)
{
    struct sp_log_file *f;
    assert_int_equal(sp_log_file_open("/nonexistent/x", &f), -ENOENT);
    assert_int_equal(sp_log_file_open(dir, &f), -EISDIR);
    assert_int_equal(sp_log_file_open("/dev/null", &f), 0);
    assert_true(put(f, "x"));
    sp_log_file_close(f);
}

static void stdout_of_every_kind(void **state)
{
    struct sp_log_file *f;
    int saved = dup(1), pipes[2];
    char buf[16] = {0};
    assert_int_equal(pipe(pipes), 0);
    dup2(pipes[1], 1);
    assert_int_equal(sp_log_file_open("/dev/stdout", &f), 0);
    assert_true(put(f, "piped\n"));
    sp_log_file_close(f);
    assert_int_equal(read(pipes[0], buf, sizeof(buf)), 6);
    assert_string_equal(buf, "piped\n");
    /* others that hold the pipe do not find it changed */
    assert_int_equal(fcntl(1, F_GETFL) & O_NONBLOCK, 0);
    /* a file that is not opened for appending is shared with its offset */
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    dup2(fd, 1);
    close(fd);
    assert_int_equal(write(1, "a\n", 2), 2);
    assert_int_equal(sp_log_file_open("/dev/stdout", &f), 0);
    assert_true(put(f, "b\n"));
    sp_log_file_thread_flush();
    assert_int_equal(write(1, "c\n", 2), 2);
    sp_log_file_close(f);
    dup2(saved, 1);
    close(saved);
    close(pipes[0]);
    close(pipes[1]);
    holds(path, "a\nb\nc\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rings_wrap),
        cmocka_unit_test_setup(written_within_a_second_and_at_the_end, fresh),
        cmocka_unit_test_setup(many_threads_write_whole_lines_in_order, fresh),
        cmocka_unit_test_setup(a_full_ring_drops_whole_lines, fresh),
        cmocka_unit_test_setup(a_lost_reader_is_counted, fresh),
        cmocka_unit_test_setup(rotation, fresh),
        cmocka_unit_test_setup(what_cannot_be_opened, fresh),
        cmocka_unit_test_setup(stdout_of_every_kind, fresh),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
