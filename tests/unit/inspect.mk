# unit tests of the floor "inspect"
check_PROGRAMS += tests/unit/test_tls_record
tests_unit_test_tls_record_LDADD = $(FLOOR_INSPECT) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_client_hello
tests_unit_test_client_hello_LDADD = $(FLOOR_INSPECT) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_hello_openssl
tests_unit_test_hello_openssl_CPPFLAGS = $(AM_CPPFLAGS) -DHELLO_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/client_hello"'
tests_unit_test_hello_openssl_LDADD = $(FLOOR_INSPECT) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_ja4
tests_unit_test_ja4_LDADD = $(FLOOR_INSPECT) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_protocol
tests_unit_test_protocol_LDADD = $(FLOOR_INSPECT) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_fix
tests_unit_test_fix_LDADD = $(FLOOR_INSPECT) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_proxy_header
tests_unit_test_proxy_header_LDADD = $(FLOOR_INSPECT) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_facts
tests_unit_test_facts_LDADD = $(FLOOR_INSPECT) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_starttls
tests_unit_test_starttls_LDADD = $(FLOOR_INSPECT) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_client_cert
tests_unit_test_client_cert_LDADD = $(FLOOR_INSPECT) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_http_head
tests_unit_test_http_head_LDADD = $(FLOOR_INSPECT) $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_redact
tests_unit_test_redact_LDADD = $(FLOOR_INSPECT) $(TEST_LIBS)
