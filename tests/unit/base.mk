# unit tests of the floor "base"
check_PROGRAMS += tests/unit/test_base
tests_unit_test_base_LDADD = $(FLOOR_BASE) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/test_slab
tests_unit_test_slab_LDADD = $(FLOOR_BASE) $(CHECK_LIBS)
