#include "inspect/fix.h"

#include "base/compiler.h"
#include "probes.h"

#define SOH              0x01
#define TAG_BEGIN_STRING 8
#define TAG_BODY_LENGTH  9
#define TAG_CHECK_SUM    10
#define TAG_MSG_TYPE     35
#define CHECK_SUM_DIGITS 3u
#define CHECK_SUM_LENGTH 7u /* "10=nnn" and SOH */
#define DIGITS_MAX       9u /* of tags and lengths: they fit a uint32_t */
#define NO_TAG           0u

static const struct {
    uint32_t number;
    const char *name;
} tags[FIX_TAG_COUNT] = {
    [FIX_BEGIN_STRING] = {TAG_BEGIN_STRING, "BeginString"},
    [FIX_SENDER_COMP_ID] = {49, "SenderCompID"},
    [FIX_TARGET_COMP_ID] = {56, "TargetCompID"},
    [FIX_SENDER_SUB_ID] = {50, "SenderSubID"},
    [FIX_USERNAME] = {553, "Username"},
};

/* Fields of type Length and the data field that follows each. */
static const struct {
    uint32_t length_tag, data_tag;
} data_fields[] = {
#define DATA(length_tag, data_tag) {length_tag, data_tag},
#include "fix_data.def"
#undef DATA
};

struct reader {
    struct fix_logon *ret;
    struct span bytes;
    size_t at;            /* the field to be read next */
    size_t index;         /* its number, from 0 */
    uint32_t data_tag;    /* the data field announced by the field before, or NO_TAG */
    uint32_t data_length; /* its length */
    bool has_body_length; /* the second field was a BodyLength in form */
    size_t check_sum_at;  /* where it says that the CheckSum begins */
};

struct field {
    uint32_t tag;
    struct span value;
    size_t end; /* behind the SOH */
};

bool fix_tag_find(enum fix_tag *ret, struct span name)
{
    for (size_t i = 0; i < FIX_TAG_COUNT; i++) {
        if (span_is(name, tags[i].name)) {
            *ret = (enum fix_tag)i;
            return true;
        }
    }
    return false;
}

/* A number of at most nine digits. */
static bool number_read(uint32_t *ret, struct span text)
{
    uint32_t value = 0;
    if (text.length == 0 || text.length > DIGITS_MAX)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(text.data[i] - '0');
    }
    *ret = value;
    return true;
}

/* A tag: digits, no leading zero, then "=". BROKEN on the first byte that can't be one. */
static enum verdict tag_read(uint32_t *ret, size_t *ret_length, struct span rest)
{
    for (size_t i = 0; i < rest.length; i++) {
        unsigned char c = rest.data[i];
        if (c == '=' && i > 0) {
            *ret_length = i + 1;
            return number_read(ret, span_first(rest, i)) ? VERDICT_YES : VERDICT_BROKEN;
        }
        if (c < '0' || c > '9' || i >= DIGITS_MAX || (i == 0 && c == '0'))
            return VERDICT_BROKEN;
    }
    return VERDICT_MORE;
}

/* A value of announced length, which may hold any byte. */
static enum verdict data_read(struct reader *r, struct field *ret, size_t value_at)
{
    size_t end = value_at + r->data_length;
    if (end >= r->bytes.length) {
        r->ret->need = end + 1;
        return VERDICT_MORE;
    }
    ret->value = span_first(span_skip(r->bytes, value_at), r->data_length);
    ret->end = end + 1;
    return r->bytes.data[end] == SOH ? VERDICT_YES : VERDICT_BROKEN;
}

/* MORE leaves the least number of bytes that can tell more in ret->need. */
static enum verdict field_read(struct reader *r, struct field *ret)
{
    struct span rest = span_skip(r->bytes, r->at);
    size_t tag_length;
    r->ret->need = r->bytes.length + 1;
    enum verdict verdict = tag_read(&ret->tag, &tag_length, rest);
    if (verdict != VERDICT_YES)
        return verdict;
    if (ret->tag == r->data_tag)
        return data_read(r, ret, r->at + tag_length);
    struct span tail = span_skip(rest, tag_length);
    const unsigned char *end = tail.length == 0 ? NULL : memchr(tail.data, SOH, tail.length);
    if (tail.length > 0 && end == tail.data)
        return VERDICT_BROKEN; /* a field always has a value */
    if (end == NULL)
        return VERDICT_MORE;
    ret->value = span_first(tail, (size_t)(end - tail.data));
    ret->end = r->at + tag_length + ret->value.length + 1;
    return VERDICT_YES;
}

static void data_announce(struct reader *r, const struct field *field)
{
    r->data_tag = NO_TAG;
    for (size_t i = 0; i < COUNT_OF(data_fields); i++)
        if (data_fields[i].length_tag == field->tag && number_read(&r->data_length, field->value))
            r->data_tag = data_fields[i].data_tag;
}

static void field_keep(struct fix_logon *ret, const struct field *field)
{
    for (size_t i = 0; i < FIX_TAG_COUNT; i++) {
        if (tags[i].number == field->tag && !ret->has[i]) {
            ret->has[i] = true;
            ret->field[i] = field->value;
        }
    }
}

/* BodyLength counts from behind its own SOH to the last one before CheckSum. */
static void body_length_keep(struct reader *r, const struct field *field)
{
    uint32_t length;
    if (!number_read(&length, field->value)) {
        r->ret->valid = VERDICT_NO;
        return;
    }
    r->has_body_length = true;
    r->check_sum_at = field->end + length;
}

/* --- validity -------------------------------------------------------------------------------- */

static bool check_sum_fits(const struct reader *r, const struct field *field)
{
    uint32_t given, sum = 0;
    if (field->value.length != CHECK_SUM_DIGITS || !number_read(&given, field->value))
        return false;
    for (size_t i = 0; i < r->at; i++)
        sum += r->bytes.data[i];
    return (sum & 0xff) == given;
}

/* The bytes where BodyLength puts the CheckSum are something else: known before the rest is read.
 */
static bool body_length_missed(const struct reader *r)
{
    static const struct span check_sum = PROBE_LITERAL("10=");
    if (!r->has_body_length)
        return false;
    struct span tail = span_skip(r->bytes, r->check_sum_at);
    return probe_literal(tail, check_sum) == VERDICT_NO;
}

/* --- the message ----------------------------------------------------------------------------- */

/* What the first three fields may be: 8, then 9 and 35; a missing 9 is only not valid. Answers NO
 * on the first byte that makes it another message. */
static enum verdict opening_probe(const struct reader *r)
{
    static const struct span logon = PROBE_LITERAL("35=A\1");
    static const struct span body_length = PROBE_LITERAL("9=");
    struct span rest = span_skip(r->bytes, r->at);
    enum verdict verdict = probe_literal(rest, logon);
    if (verdict == VERDICT_NO && r->index == 1)
        verdict = probe_literal(rest, body_length) == VERDICT_NO ? VERDICT_NO : VERDICT_MORE;
    return verdict;
}

static void not_a_logon(struct fix_logon *ret)
{
    *ret = (struct fix_logon){.message = VERDICT_NO, .valid = VERDICT_NO, .complete = true};
}

static void message_end(struct reader *r, bool valid)
{
    if (r->ret->valid == VERDICT_MORE)
        r->ret->valid = valid ? VERDICT_YES : VERDICT_NO;
    r->ret->complete = true;
}

static void field_take(struct reader *r, const struct field *field)
{
    if (r->index == 1 && field->tag == TAG_BODY_LENGTH)
        body_length_keep(r, field);
    if (r->index == 1 && field->tag == TAG_MSG_TYPE)
        r->ret->valid = VERDICT_NO; /* no BodyLength */
    field_keep(r->ret, field);
    data_announce(r, field);
    if (field->tag == TAG_CHECK_SUM)
        message_end(r, r->has_body_length && r->at == r->check_sum_at && check_sum_fits(r, field));
    r->at = field->end;
    r->index++;
}

/* Reads on until something is missing; false: it is no Logon. */
static bool message_read(struct reader *r)
{
    while (!r->ret->complete) {
        struct field field;
        if (r->index > 0 && r->ret->message == VERDICT_MORE) {
            r->ret->message = opening_probe(r);
            if (r->ret->message == VERDICT_NO)
                return false;
        }
        enum verdict verdict = field_read(r, &field);
        if (verdict == VERDICT_MORE)
            break;
        if (verdict == VERDICT_YES)
            field_take(r, &field);
        else
            message_end(r, false);
    }
    return r->ret->message != VERDICT_MORE || !r->ret->complete;
}

void fix_read(struct fix_logon *ret, struct span bytes, bool final)
{
    struct reader r = {.ret = ret, .bytes = bytes};
    *ret = (struct fix_logon){
        .message = VERDICT_MORE, .valid = VERDICT_MORE, .need = bytes.length + 1};
    enum verdict begins = probe_fix(bytes);
    if (begins == VERDICT_NO || (begins == VERDICT_YES && !message_read(&r))) {
        not_a_logon(ret);
        return;
    }
    if (ret->valid == VERDICT_MORE && body_length_missed(&r))
        ret->valid = VERDICT_NO;
    if (!final)
        return;
    if (ret->message == VERDICT_MORE)
        not_a_logon(ret);
    else
        message_end(&r, false);
}
