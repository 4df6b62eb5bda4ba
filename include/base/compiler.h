/* compiler: the few attributes the tree uses, under readable names. */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

#define MUST_CHECK            __attribute__((warn_unused_result))
#define PRINTF(string, first) __attribute__((format(printf, string, first)))
#define COUNT_OF(array)       (sizeof(array) / sizeof((array)[0]))

/* The struct that holds `member` at `pointer`. */
#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
