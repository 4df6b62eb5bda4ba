/* screen: a terminal that shows the same few lines anew, and is put back as it was however the
 * showing ends. Where standard output is no terminal, what is shown goes there one after another.
 */
#ifndef CTL_SCREEN_H
#define CTL_SCREEN_H

#include "base/compiler.h"

#include <stdbool.h>
#include <termios.h>

struct screen {
    bool terminal; /* of the output */
    bool keys;     /* of the input: `before` is to be put back */
    struct termios before;
    int signals; /* readable once one has come that ends a program; -1: they end it as ever */
};

/* `terminal`: to be used where there is one. */
void screen_open(struct screen *ret, bool terminal);
void screen_close(struct screen *screen);

/* On a terminal in place of what was there, cut at its edges. false: nobody takes it. */
bool screen_show(const struct screen *screen, const char *text) MUST_CHECK;

/* false: a key or a signal asks for the end. */
bool screen_wait(const struct screen *screen, double seconds) MUST_CHECK;

#endif
