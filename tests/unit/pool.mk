# unit tests of the floor "pool"
POOL_TEST_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)

check_PROGRAMS += tests/unit/test_pool
tests_unit_test_pool_SOURCES = tests/unit/test_pool.c tests/unit/pool_support.h
tests_unit_test_pool_CPPFLAGS = $(POOL_TEST_CPPFLAGS)
tests_unit_test_pool_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_pool_LDADD = $(FLOOR_POOL) $(CHECK_LIBS) $(MG_LIBS)

check_PROGRAMS += tests/unit/test_balance
tests_unit_test_balance_SOURCES = tests/unit/test_balance.c tests/unit/pool_support.h
tests_unit_test_balance_CPPFLAGS = $(POOL_TEST_CPPFLAGS)
tests_unit_test_balance_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_balance_LDADD = $(FLOOR_POOL) $(CHECK_LIBS) $(MG_LIBS)

check_PROGRAMS += tests/unit/test_health
tests_unit_test_health_SOURCES = tests/unit/test_health.c tests/unit/pool_support.h
tests_unit_test_health_CPPFLAGS = $(POOL_TEST_CPPFLAGS)
tests_unit_test_health_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_health_LDADD = $(FLOOR_POOL) $(CHECK_LIBS) $(MG_LIBS)

check_PROGRAMS += tests/unit/test_view
tests_unit_test_view_SOURCES = tests/unit/test_view.c tests/unit/pool_support.h
tests_unit_test_view_CPPFLAGS = $(POOL_TEST_CPPFLAGS)
tests_unit_test_view_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_view_LDADD = $(FLOOR_POOL) $(CHECK_LIBS) $(MG_LIBS)

check_PROGRAMS += tests/unit/test_health_talk
tests_unit_test_health_talk_SOURCES = tests/unit/test_health_talk.c
tests_unit_test_health_talk_CPPFLAGS = $(POOL_TEST_CPPFLAGS)
tests_unit_test_health_talk_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_health_talk_LDADD = $(FLOOR_POOL) $(CHECK_LIBS) $(MG_LIBS)

check_PROGRAMS += tests/unit/test_hash
tests_unit_test_hash_SOURCES = tests/unit/test_hash.c tests/unit/pool_support.h
tests_unit_test_hash_CPPFLAGS = $(POOL_TEST_CPPFLAGS)
tests_unit_test_hash_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_hash_LDADD = $(FLOOR_POOL) $(CHECK_LIBS) $(MG_LIBS)

check_PROGRAMS += tests/unit/test_queue
tests_unit_test_queue_SOURCES = tests/unit/test_queue.c tests/unit/pool_support.h
tests_unit_test_queue_CPPFLAGS = $(POOL_TEST_CPPFLAGS)
tests_unit_test_queue_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_queue_LDADD = $(FLOOR_POOL) $(CHECK_LIBS) $(MG_LIBS)

check_PROGRAMS += tests/unit/test_names
tests_unit_test_names_SOURCES = tests/unit/test_names.c
tests_unit_test_names_CPPFLAGS = $(POOL_TEST_CPPFLAGS)
tests_unit_test_names_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_names_LDADD = $(FLOOR_POOL) $(CHECK_LIBS) $(MG_LIBS)
