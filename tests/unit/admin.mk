# unit tests of the floor "admin"
check_PROGRAMS += tests/unit/test_admin
tests_unit_test_admin_LDADD = $(FLOOR_ADMIN) $(TEST_LIBS)
