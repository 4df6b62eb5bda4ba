noinst_LIBRARIES += src/libio.a
src_libio_a_SOURCES = \
	include/io/batch.h \
	include/io/line_writer.h src/io/line_writer.c src/io/line_outlet.c src/io/line_outlet.h \
	include/io/mailbox.h src/io/mailbox.c \
	include/io/pipes.h src/io/pipes.c \
	include/io/socket.h src/io/connect.c src/io/socket.c \
	include/io/stream.h src/io/stream.c \
	include/io/watch.h src/io/watch.c
if HAVE_LIBURING
src_libio_a_SOURCES += src/io/batch.c
else
src_libio_a_SOURCES += src/io/batch_none.c
endif
EXTRA_DIST += src/io/README
