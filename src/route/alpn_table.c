#include "alpn_table.h"

#include <stdlib.h>

bool alpn_table_add(struct alpn_table *table, const char *name)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity == 0 ? 16 : 2 * table->capacity;
        const char **names = reallocarray(table->names, capacity, sizeof *names);
        if (names == NULL)
            return false;
        table->names = names;
        table->capacity = capacity;
    }
    table->names[table->count++] = name;
    return true;
}

static int compare_texts(struct span a, struct span b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);
    if (order != 0)
        return order;
    return (a.length > b.length) - (a.length < b.length);
}

static int compare_names(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    return compare_texts(span_text(*a), span_text(*b));
}

bool alpn_table_finish(struct alpn_table *table)
{
    if (table->count == 0)
        return true;
    qsort(table->names, table->count, sizeof *table->names, compare_names);
    size_t kept = 1;
    for (size_t i = 1; i < table->count; i++) {
        if (strcmp(table->names[i], table->names[kept - 1]) != 0)
            table->names[kept++] = table->names[i];
    }
    table->count = kept;
    return kept <= ALPN_NAMES_MAX;
}

void alpn_table_release(struct alpn_table *table)
{
    free(table->names);
    *table = (struct alpn_table){0};
}

void alpn_table_mark(const struct alpn_table *table, struct span name, struct alpn_set *set)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_texts(name, span_text(table->names[middle]));
        if (order == 0) {
            set->bits[middle / 64] |= UINT64_C(1) << middle % 64;
            return;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
}

bool alpn_set_meets(const struct alpn_set *a, const struct alpn_set *b)
{
    for (size_t i = 0; i < COUNT_OF(a->bits); i++) {
        if ((a->bits[i] & b->bits[i]) != 0)
            return true;
    }
    return false;
}
