noinst_LIBRARIES += src/libpool.a
src_libpool_a_SOURCES = \
	include/pool/pool.h
