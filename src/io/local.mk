noinst_LIBRARIES += src/libio.a
src_libio_a_SOURCES = \
	include/io/stream.h \
	include/io/watch.h
