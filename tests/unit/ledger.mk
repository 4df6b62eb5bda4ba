# unit tests of the floor "ledger"
check_PROGRAMS += tests/unit/test_ledger
tests_unit_test_ledger_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/src/ledger
tests_unit_test_ledger_LDADD = $(FLOOR_LEDGER) $(TEST_LIBS)
