# unit tests of the floor "session"
check_PROGRAMS += tests/unit/test_relay
tests_unit_test_relay_LDADD = $(FLOOR_SESSION) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_tally
tests_unit_test_tally_LDADD = $(FLOOR_SESSION) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_log_line
tests_unit_test_log_line_LDADD = $(FLOOR_SESSION) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_memory
tests_unit_test_memory_LDADD = $(FLOOR_SESSION) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_turns
tests_unit_test_turns_LDADD = $(FLOOR_SESSION) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_unknowns
tests_unit_test_unknowns_LDADD = $(FLOOR_SESSION) $(TEST_LIBS)
