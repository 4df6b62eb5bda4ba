# unit tests of the floor "io"
check_PROGRAMS += tests/unit/test_io
tests_unit_test_io_SOURCES = tests/unit/test_io.c
tests_unit_test_io_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_io_LDADD = $(FLOOR_IO) $(CHECK_LIBS) $(MG_LIBS)
