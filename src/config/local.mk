noinst_LIBRARIES += src/libconfig.a
src_libconfig_a_SOURCES = \
	include/config/config.h \
	include/config/model.h \
	include/config/problems.h
