noinst_LIBRARIES += src/libinspect.a
src_libinspect_a_SOURCES = \
	include/inspect/client_cert.h \
	include/inspect/redact.h include/inspect/signatures.def src/inspect/redact.c \
	include/inspect/client_hello.h \
	include/inspect/client_hello_write.h \
	include/inspect/facts.h \
	include/inspect/fix.h \
	include/inspect/http_head.h \
	include/inspect/postgres.h \
	include/inspect/probes.def \
	include/inspect/protocol.h \
	include/inspect/proxy_header.h \
	include/inspect/starttls.def \
	include/inspect/starttls.h \
	include/inspect/tls_record.h \
	include/inspect/verdict.h \
	src/inspect/client_cert.c \
	src/inspect/client_hello.c \
	src/inspect/client_hello_write.c \
	src/inspect/crc32c.h \
	src/inspect/cursor.h \
	src/inspect/dialects.h \
	src/inspect/facts.c \
	src/inspect/fix.c \
	src/inspect/fix_data.def \
	src/inspect/hello.h \
	src/inspect/hello_body.c \
	src/inspect/ja4.c \
	src/inspect/http_head.c \
	src/inspect/postgres.c \
	src/inspect/probe_http.c \
	src/inspect/probe_mqtt.c \
	src/inspect/probe_openvpn.c \
	src/inspect/probe_rdp.c \
	src/inspect/probe_socks.c \
	src/inspect/probe_text.c \
	src/inspect/probe_xmpp.c \
	src/inspect/probes.h \
	src/inspect/protocol.c \
	src/inspect/proxy_header.c \
	src/inspect/proxy_header_write.c src/inspect/proxy_fields.c \
	src/inspect/proxy_v2.h \
	src/inspect/starttls.c \
	src/inspect/starttls_postgres.c \
	src/inspect/tls_record.c
EXTRA_DIST += src/inspect/README
