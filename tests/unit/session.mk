# unit tests of the floor "session"
check_PROGRAMS += tests/unit/test_relay
tests_unit_test_relay_SOURCES = tests/unit/test_relay.c
tests_unit_test_relay_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_relay_LDADD = $(FLOOR_SESSION) $(CHECK_LIBS) $(MG_LIBS)
check_PROGRAMS += tests/unit/test_tally
tests_unit_test_tally_SOURCES = tests/unit/test_tally.c
tests_unit_test_tally_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_tally_LDADD = $(FLOOR_SESSION) $(CHECK_LIBS) $(MG_LIBS)
check_PROGRAMS += tests/unit/test_log_line
tests_unit_test_log_line_SOURCES = tests/unit/test_log_line.c
tests_unit_test_log_line_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_log_line_LDADD = $(FLOOR_SESSION) $(CHECK_LIBS) $(MG_LIBS)
