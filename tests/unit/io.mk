# unit tests of the floor "io"
check_PROGRAMS += tests/unit/test_io
tests_unit_test_io_LDADD = $(FLOOR_IO) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_watch
tests_unit_test_watch_LDADD = $(FLOOR_IO) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_lines
tests_unit_test_lines_LDADD = $(FLOOR_IO) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_batch
tests_unit_test_batch_LDADD = $(FLOOR_IO) $(TEST_LIBS)
