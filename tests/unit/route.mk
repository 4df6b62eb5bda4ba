# unit tests of the floor "route"
ROUTE_TEST_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)

check_PROGRAMS += tests/unit/test_match
tests_unit_test_match_SOURCES = tests/unit/test_match.c tests/unit/rules_support.h
tests_unit_test_match_CPPFLAGS = $(ROUTE_TEST_CPPFLAGS)
tests_unit_test_match_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_match_LDADD = $(FLOOR_ROUTE) $(CHECK_LIBS) $(MG_LIBS)

check_PROGRAMS += tests/unit/test_rules
tests_unit_test_rules_SOURCES = tests/unit/test_rules.c tests/unit/rules_support.h
tests_unit_test_rules_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_rules_LDADD = $(FLOOR_ROUTE) $(CHECK_LIBS) $(MG_LIBS)

check_PROGRAMS += tests/unit/test_rules_index
tests_unit_test_rules_index_SOURCES = tests/unit/test_rules_index.c tests/unit/rules_support.h
tests_unit_test_rules_index_CPPFLAGS = $(ROUTE_TEST_CPPFLAGS)
tests_unit_test_rules_index_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_rules_index_LDADD = $(FLOOR_ROUTE) $(CHECK_LIBS) $(MG_LIBS)

if HAVE_PCRE2
check_PROGRAMS += tests/unit/test_patterns
tests_unit_test_patterns_SOURCES = tests/unit/test_patterns.c
tests_unit_test_patterns_CPPFLAGS = $(ROUTE_TEST_CPPFLAGS)
tests_unit_test_patterns_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_patterns_LDADD = $(FLOOR_ROUTE) $(CHECK_LIBS) $(MG_LIBS)
endif

check_PROGRAMS += tests/unit/test_rules_starttls
tests_unit_test_rules_starttls_SOURCES = tests/unit/test_rules_starttls.c tests/unit/rules_support.h
tests_unit_test_rules_starttls_CPPFLAGS = $(ROUTE_TEST_CPPFLAGS)
tests_unit_test_rules_starttls_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_rules_starttls_LDADD = $(FLOOR_ROUTE) $(CHECK_LIBS) $(MG_LIBS)

check_PROGRAMS += tests/unit/test_explain
tests_unit_test_explain_SOURCES = tests/unit/test_explain.c tests/unit/rules_support.h
tests_unit_test_explain_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_explain_LDADD = $(FLOOR_ROUTE) $(CHECK_LIBS) $(MG_LIBS)

check_PROGRAMS += tests/unit/test_rules_dates
tests_unit_test_rules_dates_SOURCES = tests/unit/test_rules_dates.c tests/unit/rules_support.h
tests_unit_test_rules_dates_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_rules_dates_LDADD = $(FLOOR_ROUTE) $(CHECK_LIBS) $(MG_LIBS)
