# Fuzz targets: with --enable-fuzzing for libFuzzer; otherwise with a small driver, in make check.
FUZZ_TARGETS = \
	tests/fuzz/fuzz_client_hello \
	tests/fuzz/fuzz_config \
	tests/fuzz/fuzz_decision \
	tests/fuzz/fuzz_dns_ttl \
	tests/fuzz/fuzz_explain \
	tests/fuzz/fuzz_facts \
	tests/fuzz/fuzz_fix \
	tests/fuzz/fuzz_http_head \
	tests/fuzz/fuzz_ledger \
	tests/fuzz/fuzz_proxy_header \
	tests/fuzz/fuzz_redact
EXTRA_DIST += tests/fuzz/README tests/fuzz/collect tests/fuzz/corpus
CLEANFILES += fuzz-input.bin

if FUZZING
FUZZ_ENGINE = -fsanitize=fuzzer
FUZZ_COMMON = tests/fuzz/fuzz.h
noinst_PROGRAMS += $(FUZZ_TARGETS)
else
FUZZ_ENGINE =
FUZZ_COMMON = tests/fuzz/fuzz.h tests/fuzz/driver.c
check_PROGRAMS += $(FUZZ_TARGETS)
if !HAVE_CHECK
TESTS += $(FUZZ_TARGETS)
endif
endif

tests_fuzz_fuzz_client_hello_SOURCES = tests/fuzz/fuzz_client_hello.c $(FUZZ_COMMON)
tests_fuzz_fuzz_client_hello_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/client_hello"'
tests_fuzz_fuzz_client_hello_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_client_hello_LDADD = $(FLOOR_INSPECT)
tests_fuzz_fuzz_facts_SOURCES = tests/fuzz/fuzz_facts.c $(FUZZ_COMMON)
tests_fuzz_fuzz_facts_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/facts"'
tests_fuzz_fuzz_facts_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_facts_LDADD = $(FLOOR_INSPECT)
tests_fuzz_fuzz_fix_SOURCES = tests/fuzz/fuzz_fix.c $(FUZZ_COMMON)
tests_fuzz_fuzz_fix_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/fix"'
tests_fuzz_fuzz_fix_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_fix_LDADD = $(FLOOR_INSPECT)
tests_fuzz_fuzz_proxy_header_SOURCES = tests/fuzz/fuzz_proxy_header.c $(FUZZ_COMMON)
tests_fuzz_fuzz_proxy_header_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/proxy_header"'
tests_fuzz_fuzz_proxy_header_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_proxy_header_LDADD = $(FLOOR_INSPECT)
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz_config.c $(FUZZ_COMMON)
tests_fuzz_fuzz_config_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(abs_top_srcdir)/tests/data/config/good"'
tests_fuzz_fuzz_config_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_config_LDADD = $(FLOOR_ROUTE) $(MG_LIBS)
tests_fuzz_fuzz_decision_SOURCES = tests/fuzz/fuzz_decision.c $(FUZZ_COMMON)
tests_fuzz_fuzz_decision_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/facts"'
tests_fuzz_fuzz_decision_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_decision_LDADD = $(FLOOR_ROUTE) $(MG_LIBS)
tests_fuzz_fuzz_http_head_SOURCES = tests/fuzz/fuzz_http_head.c $(FUZZ_COMMON)
tests_fuzz_fuzz_http_head_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/http_head"'
tests_fuzz_fuzz_http_head_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_http_head_LDADD = $(FLOOR_INSPECT)
tests_fuzz_fuzz_dns_ttl_SOURCES = tests/fuzz/fuzz_dns_ttl.c $(FUZZ_COMMON)
tests_fuzz_fuzz_dns_ttl_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/dns_ttl"'
tests_fuzz_fuzz_dns_ttl_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_dns_ttl_LDADD = $(FLOOR_POOL) $(MG_LIBS)
tests_fuzz_fuzz_explain_SOURCES = tests/fuzz/fuzz_explain.c $(FUZZ_COMMON)
tests_fuzz_fuzz_explain_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/facts"'
tests_fuzz_fuzz_explain_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_explain_LDADD = $(FLOOR_ROUTE) $(MG_LIBS)
tests_fuzz_fuzz_ledger_SOURCES = tests/fuzz/fuzz_ledger.c $(FUZZ_COMMON)
tests_fuzz_fuzz_ledger_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/ledger"'
tests_fuzz_fuzz_ledger_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_ledger_LDADD = $(FLOOR_LEDGER) $(MG_LIBS)
tests_fuzz_fuzz_redact_SOURCES = tests/fuzz/fuzz_redact.c $(FUZZ_COMMON)
tests_fuzz_fuzz_redact_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/facts"'
tests_fuzz_fuzz_redact_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_redact_LDADD = $(FLOOR_INSPECT)
