noinst_LIBRARIES += src/libbase.a
src_libbase_a_SOURCES = \
	include/base/address.h src/base/address.c \
	include/base/buffer.h src/base/buffer.c \
	include/base/cidr.h src/base/cidr.c \
	include/base/clock.h src/base/clock.c \
	include/base/compiler.h \
	include/base/confirm.h \
	include/base/error.h src/base/error.c \
	include/base/hash.h \
	include/base/keepalive.h \
	include/base/list.h \
	include/base/log.h src/base/log.c \
	include/base/name.h src/base/name.c \
	include/base/origin.h src/base/origin.c \
	include/base/siphash.h src/base/siphash.c \
	include/base/slab.h src/base/slab.c \
	include/base/span.h \
	include/base/text.h src/base/text.c \
	include/base/thread.h src/base/thread.c \
	include/base/units.h src/base/units.c
EXTRA_DIST += src/base/README
