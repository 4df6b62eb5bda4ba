/* fix: the first message of a FIX session (FIX 4.0 to 5.0 SP2, FIXT.1.1; tag=value encoding).
 *
 * A streaming reader of the Logon (35=A). Fields end in SOH (0x01). The first occurrence of a tag
 * counts. Any tag number is fine. Data fields (RawData 96 after its length 95, and the like) are
 * skipped by their length, so that a SOH inside them does not end them. Only the tags below are
 * ever given out: a Password stays where it is. */
#ifndef INSPECT_FIX_H
#define INSPECT_FIX_H

#include "base/span.h"
#include "inspect/verdict.h"

enum fix_tag {
    FIX_BEGIN_STRING,
    FIX_SENDER_COMP_ID,
    FIX_TARGET_COMP_ID,
    FIX_SENDER_SUB_ID,
    FIX_USERNAME,
    FIX_TAG_COUNT
};

struct fix_logon {
    enum verdict message; /* YES: a Logon; MORE: could still be one; NO: something else */
    enum verdict valid;   /* BodyLength and CheckSum: YES, NO, MORE; NO where message is NO */
    bool complete;        /* nothing more can be learned: read to its end, malformed, or final */
    size_t need;          /* unless complete: least total number of bytes that can tell more */
    struct span field[FIX_TAG_COUNT]; /* values read so far; point into the bytes */
    bool has[FIX_TAG_COUNT];
};

/* Reads as much as is there. Pure and total; never fails. A field counts only once its SOH is
 * there. */
void fix_read(struct fix_logon *ret, struct span bytes, bool final);

/* "SenderCompID" → FIX_SENDER_COMP_ID. */
bool fix_tag_find(enum fix_tag *ret, struct span name);

#endif
