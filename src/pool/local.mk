noinst_LIBRARIES += src/libpool.a
src_libpool_a_SOURCES = \
	include/pool/pool.h src/pool/pool.c src/pool/pool_private.h src/pool/again.c \
	src/pool/balance.h src/pool/balance.c \
	src/pool/core.h src/pool/core.c \
	src/pool/drain.c \
	src/pool/evidence.h src/pool/evidence.c \
	src/pool/health.c \
	src/pool/health_check.h src/pool/health_check.c \
	src/pool/health_talk.h src/pool/health_talk.c \
	src/pool/maglev.h src/pool/maglev.c \
	include/pool/names.h src/pool/names.c \
	src/pool/dns_ttl.h src/pool/dns_ttl.c \
	src/pool/queue.c \
	src/pool/found.c src/pool/resolve.h src/pool/resolve.c \
	src/pool/server.h src/pool/server.c \
	src/pool/view.h src/pool/view.c \
	include/pool/wishes.h src/pool/wishes.c
if HAVE_CARES
src_libpool_a_SOURCES += \
	src/pool/dns.h src/pool/dns_private.h src/pool/dns.c src/pool/dns_query.c
endif
EXTRA_DIST += src/pool/README
