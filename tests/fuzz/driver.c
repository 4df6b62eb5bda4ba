/* Runs a fuzz target without libFuzzer: the corpus as it is, then pseudo-random changes of it.
 *
 * The seed is fixed, so that a failure comes again; the input at fault is left in a file. Usage:
 * fuzz_NAME [ROUNDS [FILE…]]; without files, the corpus built in. */
#include "fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#define INPUT_MAX      8192u
#define SEEDS_MAX      128u
#define ROUNDS_DEFAULT 30000ul
#define CHANGES_MAX    6u

struct input {
    unsigned char bytes[INPUT_MAX];
    size_t length;
};

static struct input seeds[SEEDS_MAX];
static size_t seed_count;
static struct input current;

static uint32_t random_below(uint32_t bound)
{
    static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) % bound);
}

static void load(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || seed_count == SEEDS_MAX) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    struct input *seed = &seeds[seed_count++];
    seed->length = fread(seed->bytes, 1, sizeof seed->bytes, file);
    fclose(file);
}

static void load_folder(const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            load(path);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static uint32_t any_place(void)
{
    return random_below((uint32_t)current.length + 1);
}

static void insert(size_t at, const unsigned char *bytes, size_t count)
{
    if (current.length + count > sizeof current.bytes)
        return;
    memmove(current.bytes + at + count, current.bytes + at, current.length - at);
    memcpy(current.bytes + at, bytes, count);
    current.length += count;
}

static void cut(size_t at, size_t count)
{
    if (count > current.length - at)
        count = current.length - at;
    memmove(current.bytes + at, current.bytes + at + count, current.length - at - count);
    current.length -= count;
}

static void splice_other(void)
{
    const struct input *other = &seeds[random_below((uint32_t)seed_count)];
    size_t from = random_below((uint32_t)other->length + 1);
    size_t count = random_below((uint32_t)(other->length - from) + 1);
    insert(any_place(), other->bytes + from, count);
}

static void change(void)
{
    static const unsigned char telling[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x16, 0x03, '\r', '\n'};
    unsigned char byte = telling[random_below(sizeof telling)];
    size_t at = any_place();
    switch (random_below(6)) {
    case 0:
        if (at < current.length)
            current.bytes[at] ^= (unsigned char)(1u << random_below(8));
        break;
    case 1:
        if (at < current.length)
            current.bytes[at] = byte;
        break;
    case 2:
        insert(at, &byte, 1);
        break;
    case 3:
        cut(at, 1 + random_below(8));
        break;
    case 4:
        current.length = at;
        break;
    default:
        splice_other();
        break;
    }
}

/* A heap block of exactly the input's length shows a read beyond it. */
static void run(void)
{
    unsigned char *copy = malloc(current.length + (current.length == 0));
    if (copy == NULL)
        abort();
    memcpy(copy, current.bytes, current.length);
    LLVMFuzzerTestOneInput(copy, current.length);
    free(copy);
}

static void save_and_abort(int number)
{
    static const char note[] = "the input at fault is in fuzz-input.bin\n";
    FILE *file = fopen("fuzz-input.bin", "wb");
    if (file != NULL) {
        fwrite(current.bytes, 1, current.length, file);
        fclose(file);
        (void)!write(STDERR_FILENO, note, sizeof note - 1);
    }
    signal(number, SIG_DFL);
    raise(number);
}

int main(int count, char **words)
{
    unsigned long rounds = count > 1 ? strtoul(words[1], NULL, 10) : ROUNDS_DEFAULT;
    signal(SIGABRT, save_and_abort);
    for (int i = 2; i < count; i++)
        load(words[i]);
    if (seed_count == 0)
        load_folder(FUZZ_CORPUS);
    if (seed_count == 0) {
        fprintf(stderr, "no corpus in %s\n", FUZZ_CORPUS);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < seed_count; i++) {
        current = seeds[i];
        run();
    }
    for (unsigned long round = 0; round < rounds; round++) {
        current = seeds[random_below((uint32_t)seed_count)];
        for (uint32_t changes = 1 + random_below(CHANGES_MAX); changes > 0; changes--)
            change();
        run();
    }
    printf("%zu inputs of the corpus, %lu changed ones\n", seed_count, rounds);
    return EXIT_SUCCESS;
}
