# unit tests of the floor "route"
check_PROGRAMS += tests/unit/test_match
tests_unit_test_match_LDADD = $(FLOOR_ROUTE) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_rules
tests_unit_test_rules_LDADD = $(FLOOR_ROUTE) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_rules_index
tests_unit_test_rules_index_LDADD = $(FLOOR_ROUTE) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_rule_index
tests_unit_test_rule_index_LDADD = $(FLOOR_ROUTE) $(TEST_LIBS)

if HAVE_PCRE2
check_PROGRAMS += tests/unit/test_patterns
tests_unit_test_patterns_LDADD = $(FLOOR_ROUTE) $(TEST_LIBS)
endif
check_PROGRAMS += tests/unit/test_rules_starttls
tests_unit_test_rules_starttls_LDADD = $(FLOOR_ROUTE) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_explain
tests_unit_test_explain_LDADD = $(FLOOR_ROUTE) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_rules_dates
tests_unit_test_rules_dates_LDADD = $(FLOOR_ROUTE) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_recall
tests_unit_test_recall_LDADD = $(FLOOR_ROUTE) $(TEST_LIBS)
