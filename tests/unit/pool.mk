# unit tests of the floor "pool"
check_PROGRAMS += tests/unit/test_pool
tests_unit_test_pool_LDADD = $(FLOOR_POOL) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_balance
tests_unit_test_balance_LDADD = $(FLOOR_POOL) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_health
tests_unit_test_health_LDADD = $(FLOOR_POOL) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_view
tests_unit_test_view_LDADD = $(FLOOR_POOL) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_health_talk
tests_unit_test_health_talk_LDADD = $(FLOOR_POOL) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_hash
tests_unit_test_hash_LDADD = $(FLOOR_POOL) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_queue
tests_unit_test_queue_LDADD = $(FLOOR_POOL) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_names
tests_unit_test_names_LDADD = $(FLOOR_POOL) $(TEST_LIBS)
