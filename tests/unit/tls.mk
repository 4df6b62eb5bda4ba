# unit tests of the floor "tls"; the kit makes certificates and plays the client
TLS_KIT = tests/unit/tls_kit.c tests/unit/tls_kit.h
check_PROGRAMS += tests/unit/test_tls_handshake
tests_unit_test_tls_handshake_SOURCES = tests/unit/test_tls_handshake.c $(TLS_KIT)
tests_unit_test_tls_handshake_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_tls_handshake_LDADD = $(FLOOR_TLS) $(CHECK_LIBS) $(MG_LIBS)
check_PROGRAMS += tests/unit/test_tls_stream
tests_unit_test_tls_stream_SOURCES = tests/unit/test_tls_stream.c $(TLS_KIT)
tests_unit_test_tls_stream_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_tls_stream_LDADD = $(FLOOR_TLS) $(CHECK_LIBS) $(MG_LIBS)
