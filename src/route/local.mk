noinst_LIBRARIES += src/libroute.a
src_libroute_a_SOURCES = \
	include/route/rules.h include/route/recall.h src/route/rules.c \
	include/route/decision.h src/route/decision.c \
	include/route/explain.h src/route/explain.c \
	src/route/alpn_table.h src/route/alpn_table.c \
	src/route/match.h src/route/match.c src/route/match_compile.c \
	src/route/match_client_cert.h src/route/match_client_cert.c \
	src/route/match_fix.h src/route/match_fix.c \
	src/route/hits.h src/route/hits.c src/route/postings.h src/route/postings.c \
	src/route/name_index.h src/route/name_index.c src/route/rule_index.h src/route/rule_index.c \
	include/route/networks.h src/route/networks.c \
	src/route/patterns.h src/route/patterns.c \
	src/route/prefixes.h src/route/prefixes.c \
	src/route/rule_list.h src/route/rule_list.c
EXTRA_DIST += src/route/README
