# unit tests of the floor "admin"
ADMIN_TEST_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)

check_PROGRAMS += tests/unit/test_admin
tests_unit_test_admin_SOURCES = tests/unit/test_admin.c
tests_unit_test_admin_CPPFLAGS = $(ADMIN_TEST_CPPFLAGS)
tests_unit_test_admin_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_admin_LDADD = $(FLOOR_ADMIN) $(CHECK_LIBS) $(MG_LIBS)
