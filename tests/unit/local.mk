# Unit tests: one program per module, on libcheck, linked with the floors below its module only.
EXTRA_DIST += tests/unit/hello_builder.h tests/unit/openssl_hello.h tests/unit/pool_support.h \
	tests/unit/problem_lines.h tests/unit/rules_support.h tests/unit/split.h tests/unit/suite.h \
	tests/unit/wire_kit.h

if HAVE_CHECK
# check_PROGRAMS += tests/unit/test_NAME
# tests_unit_test_NAME_LDADD = $(FLOOR_…) $(TEST_LIBS)
AM_CFLAGS += $(CHECK_CFLAGS)
TEST_LIBS = $(CHECK_LIBS) $(MG_LIBS)
TESTS += $(check_PROGRAMS)
include tests/unit/base.mk
include tests/unit/inspect.mk
include tests/unit/config.mk
include tests/unit/io.mk
include tests/unit/tls.mk
include tests/unit/route.mk
include tests/unit/pool.mk
include tests/unit/ledger.mk
include tests/unit/session.mk
include tests/unit/admin.mk
include tests/unit/app.mk
endif
