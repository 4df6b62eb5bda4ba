/* verdict: the four answers of a parser.
 *
 * MORE is only given while more bytes may come; asked with `final` a parser decides. */
#ifndef INSPECT_VERDICT_H
#define INSPECT_VERDICT_H

enum verdict {
    VERDICT_NO,
    VERDICT_YES,
    VERDICT_MORE,   /* these bytes fit so far; more are needed */
    VERDICT_BROKEN, /* it is this protocol, and malformed */
};

#endif
