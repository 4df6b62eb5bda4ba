noinst_LIBRARIES += src/libroute.a
src_libroute_a_SOURCES = \
	include/route/rules.h
