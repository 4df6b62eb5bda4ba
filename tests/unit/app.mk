# unit tests of the floor "app"
check_PROGRAMS += tests/unit/test_options
tests_unit_test_options_SOURCES = tests/unit/test_options.c
tests_unit_test_options_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_options_LDADD = $(FLOOR_APP) $(CHECK_LIBS) $(MG_LIBS)
check_PROGRAMS += tests/unit/test_worker
tests_unit_test_worker_SOURCES = tests/unit/test_worker.c
tests_unit_test_worker_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_worker_LDADD = $(FLOOR_APP) $(CHECK_LIBS) $(MG_LIBS)
check_PROGRAMS += tests/unit/test_limits
tests_unit_test_limits_SOURCES = tests/unit/test_limits.c
tests_unit_test_limits_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_limits_LDADD = $(FLOOR_APP) $(CHECK_LIBS) $(MG_LIBS)
