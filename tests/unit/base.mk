# unit tests of the floor "base"
check_PROGRAMS += tests/unit/test_base
tests_unit_test_base_LDADD = $(FLOOR_BASE) $(CHECK_LIBS)
