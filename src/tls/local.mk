noinst_LIBRARIES += src/libtls.a
src_libtls_a_SOURCES = \
	include/tls/tls.h
