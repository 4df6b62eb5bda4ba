# The benchmark's programs: built by `make bench-programs` and for the smoke test, not by plain make.
BENCH_BINARIES = tests/bench/bench_load tests/bench/bench_backend tests/bench/bench_bare \
	tests/bench/bench_certs tests/bench/bench_classify
EXTRA_PROGRAMS = $(BENCH_BINARIES)
CLEANFILES += $(BENCH_BINARIES)

BENCH_COMMON = tests/bench/events.c tests/bench/events.h tests/bench/net.c tests/bench/net.h \
	tests/bench/payload.c tests/bench/payload.h tests/bench/util.c tests/bench/util.h \
	tests/bench/wire.c tests/bench/wire.h
BENCH_LIBS = $(FLOOR_BASE) $(OPENSSL_LIBS)

tests_bench_bench_load_SOURCES = $(BENCH_COMMON) tests/bench/bench_load.c \
	tests/bench/client.c tests/bench/client.h tests/bench/load.c tests/bench/load.h \
	tests/bench/load_bulk.c tests/bench/load_connect.c tests/bench/load_echo.c \
	tests/bench/open.c tests/bench/open.h \
	tests/bench/samples.c tests/bench/samples.h
tests_bench_bench_load_LDADD = $(BENCH_LIBS)

tests_bench_bench_backend_SOURCES = $(BENCH_COMMON) tests/bench/bench_backend.c \
	tests/bench/leg.c tests/bench/leg.h
tests_bench_bench_backend_LDADD = $(BENCH_LIBS)

tests_bench_bench_bare_SOURCES = $(BENCH_COMMON) tests/bench/bench_bare.c \
	tests/bench/bare.c tests/bench/bare.h tests/bench/bare_splice.c tests/bench/bare_splice.h \
	tests/bench/leg.c tests/bench/leg.h
tests_bench_bench_bare_LDADD = $(BENCH_LIBS)

tests_bench_bench_certs_SOURCES = tests/bench/bench_certs.c tests/bench/util.c tests/bench/util.h
tests_bench_bench_certs_LDADD = $(BENCH_LIBS)

tests_bench_bench_classify_SOURCES = tests/bench/bench_classify.c tests/bench/util.c tests/bench/util.h
tests_bench_bench_classify_CPPFLAGS = $(AM_CPPFLAGS) -DHELLO_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus/client_hello"'
tests_bench_bench_classify_LDADD = src/libroute.a $(FLOOR_TLS) $(MG_LIBS)

bench-programs: $(BENCH_BINARIES)
.PHONY: bench-programs

# make bench BENCH_ARGS='--pin 1 --repetitions 9'
bench: $(BENCH_BINARIES) src/muxgate
	$(top_srcdir)/scripts/bench --build . $(BENCH_ARGS)

EXTRA_DIST += scripts/bench \
	tests/bench/harness/__init__.py tests/bench/harness/process.py tests/bench/harness/results.py \
	tests/bench/harness/subjects.py tests/bench/harness/syscalls.py tests/bench/harness/works.py
.PHONY: bench

# Serves everything once through every subject that is installed; times nothing.
dist_check_SCRIPTS += tests/bench/smoke
check_SCRIPTS = $(BENCH_BINARIES)
TESTS += tests/bench/smoke

# Ten thousand rules cost what one costs: counted in instructions, so that it is a test.
dist_check_SCRIPTS += tests/bench/classify tests/bench/classify-check
TESTS += tests/bench/classify-check
