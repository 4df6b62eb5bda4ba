# unit tests of the floor "app"
check_PROGRAMS += tests/unit/test_options
tests_unit_test_options_LDADD = $(FLOOR_APP) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_worker
tests_unit_test_worker_LDADD = $(FLOOR_APP) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_limits
tests_unit_test_limits_LDADD = $(FLOOR_APP) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_fetcher
tests_unit_test_fetcher_SOURCES = tests/unit/test_fetcher.c tests/unit/ocsp_kit.c tests/unit/ocsp_kit.h $(TLS_KIT)
tests_unit_test_fetcher_LDADD = $(FLOOR_APP) $(TEST_LIBS)
