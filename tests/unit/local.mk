# Unit tests: one program per module, on libcheck, linked with the floors below its module only.
if HAVE_CHECK
# check_PROGRAMS += tests/unit/test_NAME
# tests_unit_test_NAME_SOURCES = tests/unit/test_NAME.c
# tests_unit_test_NAME_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
# tests_unit_test_NAME_LDADD = $(FLOOR_…) $(CHECK_LIBS) $(MG_LIBS)
TESTS += $(check_PROGRAMS)
include tests/unit/base.mk
include tests/unit/inspect.mk
include tests/unit/config.mk
include tests/unit/io.mk
include tests/unit/tls.mk
include tests/unit/route.mk
include tests/unit/pool.mk
include tests/unit/session.mk
include tests/unit/admin.mk
include tests/unit/app.mk
endif
