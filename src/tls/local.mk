noinst_LIBRARIES += src/libtls.a
src_libtls_a_SOURCES = \
	include/tls/authorities.h src/tls/authorities.c \
	include/tls/client_auth.h src/tls/client_auth.c \
	include/tls/chain.h src/tls/chain.c \
	include/tls/client.h include/tls/client_private.h src/tls/client.c src/tls/client_refresh.c src/tls/means.c \
	include/tls/connection.h src/tls/connection.c \
	include/tls/credential.h src/tls/credential.c \
	include/tls/key_reader.h src/tls/key_reader.c \
	include/tls/fault.h src/tls/fault.c src/tls/fault_server.c \
	include/tls/file.h src/tls/file.c \
	include/tls/kernel.h src/tls/kernel.c \
	include/tls/known.h src/tls/known.c \
	include/tls/names.h src/tls/names.c \
	include/tls/peer.h src/tls/peer.c \
	include/tls/ocsp.h src/tls/ocsp.c \
	include/tls/ocsp_job.h src/tls/ocsp_job.c \
	include/tls/origin.h src/tls/origin.c \
	include/tls/policy.h src/tls/policy.c \
	include/tls/report.h src/tls/report.c \
	include/tls/sessions.h src/tls/sessions.c \
	include/tls/staples.h src/tls/staples.c \
	include/tls/stapling.h src/tls/stapling.c src/tls/stapling_ask.c \
	include/tls/store.h src/tls/store.c \
	include/tls/suites.h src/tls/suites.c \
	include/tls/ticket_file.h src/tls/ticket_file.c \
	include/tls/tickets.h src/tls/tickets.c \
	include/tls/tls.h src/tls/library.c \
	include/tls/trust.h src/tls/trust.c \
	include/tls/wire.h src/tls/wire.c \
	src/tls/facts.c \
	src/tls/load.c \
	src/tls/inventory.c \
	src/tls/refresh.c \
	src/tls/source.c \
	src/tls/stream_tls.c \
	include/tls/throwaway.h src/tls/throwaway.c
