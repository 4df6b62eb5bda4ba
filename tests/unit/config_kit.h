/* config_kit: what the tests of the config floor share. */
#ifndef TESTS_CONFIG_KIT_H
#define TESTS_CONFIG_KIT_H

#include "base/text.h"
#include "config/config.h"

/* $srcdir/tests/data/config/NAME; valid until the next call. */
const char *kit_path(const char *name);

/* A whole file; the caller releases the text. */
struct text kit_read(const char *path);

/* All problems, each with a newline; the caller releases the text. */
struct text kit_problems(const struct config *config);

/* Reads `text` as the file "gate.json" in /etc/muxgate; true where it gave a model. */
bool kit_config(struct config *ret, const char *text);

/* Fails the test unless `text` gives exactly these problems (lines with newlines). */
void kit_expect(const char *text, const char *problems);

/* Calls `each` with every NAME.json of the folder, in order, without the ending. */
void kit_each_file(const char *folder, void (*each)(const char *path, const char *name));

#endif
