#include "muxgate-config.h"

#include "patterns.h"

#ifdef HAVE_PCRE2

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

/* What one question may cost: about a millisecond, and memory on the heap. */
#define MATCH_LIMIT    100000u
#define DEPTH_LIMIT    10000u
#define HEAP_LIMIT_KIB 1024u

struct pattern {
    pcre2_code *code;            /* owned */
    pcre2_match_context *limits; /* owned */
    bool sees_end;               /* it may ask whether the bytes end */
};

/* Constructs that hold, or fail, because nothing follows. Without one of them a match stays a match
 * whatever follows. Saying so too often only makes an answer late. */
static bool sees_end(const char *text)
{
    static const char *const groups[] = {"(?!", "(?<!", "(?(", "(*", "[[:<", "[[:>"};
    for (size_t i = 0; i < COUNT_OF(groups); i++) {
        if (strstr(text, groups[i]) != NULL)
            return true;
    }
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '$')
            return true;
        if (*at == '\\' && at[1] != '\0' && strchr("bBzZ", *++at) != NULL)
            return true;
    }
    return false;
}

static bool set_limits(struct pattern *pattern)
{
    pattern->limits = pcre2_match_context_create(NULL);
    if (pattern->limits == NULL)
        return false;
    (void)pcre2_set_match_limit(pattern->limits, MATCH_LIMIT);
    (void)pcre2_set_depth_limit(pattern->limits, DEPTH_LIMIT);
    (void)pcre2_set_heap_limit(pattern->limits, HEAP_LIMIT_KIB);
    return true;
}

static bool refuse(struct error *error, int number, size_t at)
{
    unsigned char message[256];
    if (pcre2_get_error_message(number, message, sizeof message) < 0)
        message[0] = '\0';
    return error_input(error, "no regular expression: %s (at byte %zu)", (const char *)message,
                       at + 1);
}

bool pattern_compile(struct pattern **ret, const char *text, struct error *error)
{
    int number = 0;
    size_t at = 0;
    struct pattern *pattern = calloc(1, sizeof *pattern);
    if (pattern == NULL || !set_limits(pattern)) {
        pattern_free(pattern);
        return error_memory(error);
    }
    pattern->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                                  PCRE2_NEVER_UTF | PCRE2_NEVER_UCP, &number, &at, NULL);
    if (pattern->code == NULL) {
        pattern_free(pattern);
        return refuse(error, number, at);
    }
    /* Where memory can't be made executable, the interpreter does the work. */
    (void)pcre2_jit_compile(pattern->code,
                            PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_SOFT | PCRE2_JIT_PARTIAL_HARD);
    pattern->sees_end = sees_end(text);
    *ret = pattern;
    return true;
}

void pattern_free(struct pattern *pattern)
{
    if (pattern == NULL)
        return;
    pcre2_code_free(pattern->code);
    pcre2_match_context_free(pattern->limits);
    free(pattern);
}

bool pattern_is_anchored(const struct pattern *pattern)
{
    uint32_t options = 0;
    (void)pcre2_pattern_info(pattern->code, PCRE2_INFO_ALLOPTIONS, &options);
    return (options & PCRE2_ANCHORED) != 0;
}

/* The library calls a match partial only where it has looked at a byte. It has not where the bytes
 * to come would be the first ones. */
static bool could_still_match(const struct pattern *pattern, struct span bytes, int result)
{
    if (result == PCRE2_ERROR_NOMATCH)
        return bytes.length == 0 || !pattern_is_anchored(pattern);
    return result == PCRE2_ERROR_PARTIAL;
}

/* A partial match that stops at the end of the bytes tells that more could match. A pattern that
 * sees the end must not be given one that is not there: hard says partial whenever it was looked
 * at, soft only where nothing matched. */
enum verdict pattern_ask(const struct pattern *pattern, struct span bytes, bool final)
{
    static const unsigned char nothing[1];
    uint32_t options = final ? 0 : pattern->sees_end ? PCRE2_PARTIAL_HARD : PCRE2_PARTIAL_SOFT;
    const unsigned char *data = bytes.length == 0 ? nothing : bytes.data;
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    if (match == NULL)
        return VERDICT_NO;
    int result = pcre2_match(pattern->code, data, bytes.length, 0, options, match, pattern->limits);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT)
        result = pcre2_match(pattern->code, data, bytes.length, 0, options | PCRE2_NO_JIT, match,
                             pattern->limits);
    pcre2_match_data_free(match);
    if (result >= 0)
        return VERDICT_YES;
    return !final && could_still_match(pattern, bytes, result) ? VERDICT_MORE : VERDICT_NO;
}

#define TEXT_OF(number)    TEXT_OF_IT(number)
#define TEXT_OF_IT(number) #number

const char *pattern_library(void)
{
    return TEXT_OF(PCRE2_MAJOR) "." TEXT_OF(PCRE2_MINOR);
}

#else

bool pattern_compile(struct pattern **ret, const char *text, struct error *error)
{
    (void)ret;
    (void)text;
    return error_input(error, "this muxgate was built without PCRE2 (use prefix or prefix_hex)");
}

void pattern_free(struct pattern *pattern)
{
    (void)pattern;
}

bool pattern_is_anchored(const struct pattern *pattern)
{
    (void)pattern;
    return true;
}

enum verdict pattern_ask(const struct pattern *pattern, struct span bytes, bool final)
{
    (void)pattern;
    (void)bytes;
    (void) final;
    return VERDICT_NO;
}

const char *pattern_library(void)
{
    return NULL;
}

#endif
