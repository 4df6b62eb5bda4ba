# unit tests of the floor "inspect"
check_PROGRAMS += tests/unit/test_tls_record
tests_unit_test_tls_record_SOURCES = tests/unit/test_tls_record.c tests/unit/split.h
tests_unit_test_tls_record_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_tls_record_LDADD = $(FLOOR_INSPECT) $(CHECK_LIBS) $(MG_LIBS)
check_PROGRAMS += tests/unit/test_client_hello
tests_unit_test_client_hello_SOURCES = tests/unit/test_client_hello.c tests/unit/hello_builder.h tests/unit/split.h
tests_unit_test_client_hello_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_client_hello_LDADD = $(FLOOR_INSPECT) $(CHECK_LIBS) $(MG_LIBS)
check_PROGRAMS += tests/unit/test_protocol
tests_unit_test_protocol_SOURCES = tests/unit/test_protocol.c tests/unit/split.h
tests_unit_test_protocol_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_protocol_LDADD = $(FLOOR_INSPECT) $(CHECK_LIBS) $(MG_LIBS)
