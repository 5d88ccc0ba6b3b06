/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in for libFuzzer in every preset but fuzz: runs the fuzz target on the empty input and on each file of the
 * directories named, so that a corpus is a regression test under gcc and all sanitizers.
 *
 * With --seconds N it goes on from there for N seconds: inputs of the corpus with random changes, by the target's own mutator where
 * it has one.  It knows nothing of coverage.  The input that is run stands in ./fuzz-input until the run ends, so that the one
 * that crashed is left there; --seed N repeats a run.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) __attribute__((weak));

enum { LARGEST = 1 << 18 };
struct input {
    uint8_t *data;
    size_t size;
};
static struct input *corpus;
static size_t n_corpus;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "replay: no memory\n");
        exit(1);
    }
    return p;
}

/* A block of the exact size, so that a sanitizer sees a read one byte past the end. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = must(malloc(size ? size : 1));
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void replay_file(const char *path)
{
    struct stat st;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &st) != 0) {
        fprintf(stderr, "replay: cannot read %s: %s\n", path, strerror(errno));
        exit(1);
    }
    size_t size = (size_t)st.st_size;
    uint8_t *data = must(malloc(size ? size : 1));
    if (fread(data, 1, size, file) != size) {
        fprintf(stderr, "replay: short read of %s\n", path);
        exit(1);
    }
    fclose(file);
    run(data, size);
    corpus = must(realloc(corpus, (n_corpus + 1) * sizeof(*corpus)));
    corpus[n_corpus++] = (struct input){data, size};
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int replay_dir(const char *path)
{
    struct dirent **names;
    int count = scandir(path, &names, not_hidden, alphasort);
    if (count < 0)
        return 0; /* no corpus yet */
    for (int i = 0; i < count; i++) {
        char file[PATH_MAX];
        snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        replay_file(file);
        free(names[i]);
    }
    free(names);
    return count;
}

static uint64_t state;

static size_t below(size_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return n ? (size_t)(state >> 33) % n : 0;
}

/* One change without knowledge of what the bytes are. */
static size_t change_bytes(uint8_t *data, size_t size)
{
    static const uint8_t odd[] = {0, 1, 0x7f, 0x80, 0xff, '\n', '"', '{', ':', ' '};
    size_t at = below(size + 1), n = smaller(below(64), size - at);
    const struct input *other = &corpus[below(n_corpus)];
    switch (below(5)) {
    case 0:
        if (at < size)
            data[at] ^= (uint8_t)(1u << below(8));
        return size;
    case 1:
        if (at < size)
            data[at] = odd[below(sizeof(odd))];
        return size;
    case 2: /* out */
        memmove(data + at, data + at + n, size - at - n);
        return size - n;
    case 3: /* twice */
        if (size + n > LARGEST)
            return size;
        memmove(data + at + n, data + at, size - at);
        return size + n;
    default: /* the end of another one */
        n = smaller(below(other->size + 1), (size_t)LARGEST - at);
        memcpy(data + at, other->data + other->size - n, n);
        return at + n;
    }
}

static void keep(const uint8_t *data, size_t size)
{
    FILE *f = fopen("fuzz-input", "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) {
        fprintf(stderr, "replay: cannot write ./fuzz-input\n");
        exit(1);
    }
}

static void fuzz(unsigned seconds, uint64_t seed)
{
    uint8_t *data = must(malloc(LARGEST));
    time_t end = time(NULL) + (time_t)seconds;
    size_t runs = 0;
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    for (state = seed; time(NULL) < end; runs++) {
        const struct input *from = &corpus[below(n_corpus)];
        size_t size = smaller(from->size, (size_t)LARGEST);
        memcpy(data, from->data, size);
        if (LLVMFuzzerCustomMutator && below(4))
            size = LLVMFuzzerCustomMutator(data, size, LARGEST, (unsigned)below(UINT32_MAX));
        for (size_t n = below(LLVMFuzzerCustomMutator ? 3 : 6); n; n--)
            size = change_bytes(data, size);
        keep(data, size);
        run(data, size);
    }
    remove("fuzz-input");
    free(data);
    printf("%zu changed inputs\n", runs);
}

int main(int argc, char **argv)
{
    unsigned seconds = 0;
    uint64_t seed = (uint64_t)time(NULL);
    int n = 0;
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            seconds = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else
            n += replay_dir(argv[i]);
    }
    if (argc < 2) {
        fprintf(stderr, "usage: %s CORPUS-DIRECTORY... [--seconds N] [--seed N]\n", argv[0]);
        return 2;
    }
    printf("%d inputs replayed\n", n);
    if (seconds && n_corpus)
        fuzz(seconds, seed);
    for (size_t i = 0; i < n_corpus; i++)
        free(corpus[i].data);
    free(corpus);
    return 0;
}
