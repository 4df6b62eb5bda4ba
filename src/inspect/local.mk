noinst_LIBRARIES += src/libinspect.a
src_libinspect_a_SOURCES = \
	include/inspect/client_hello.h \
	include/inspect/facts.h \
	include/inspect/fix.h \
	include/inspect/protocol.h \
	include/inspect/proxy_header.h \
	include/inspect/tls_record.h \
	include/inspect/verdict.h
