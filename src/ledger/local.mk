noinst_LIBRARIES += src/libledger.a
src_libledger_a_SOURCES = \
	include/ledger/ledger.h src/ledger/ledger.c \
	src/ledger/file.h src/ledger/file.c \
	src/ledger/lines.h src/ledger/lines.c \
	src/ledger/table.h src/ledger/table.c
EXTRA_DIST += src/ledger/README
