noinst_LIBRARIES += src/libconfig.a
src_libconfig_a_SOURCES = \
	include/config/config.h src/config/reader.c \
	include/config/model.h src/config/model.c \
	include/config/problems.h src/config/problems.c \
	src/config/build.c src/config/build.h \
	src/config/build_listener.c \
	src/config/build_pool.c \
	src/config/build_rules.c \
	src/config/build_values.c \
	include/config/difference.h src/config/difference.c \
	src/config/draft.c src/config/draft.h \
	src/config/dump.c src/config/dump.h \
	src/config/dump_listener.c \
	src/config/form.c src/config/form.h \
	src/config/form_scalar.c \
	src/config/host.c src/config/host.h \
	src/config/json_writer.c src/config/json_writer.h \
	src/config/keys.c src/config/keys.def src/config/keys.h \
	src/config/locate.c src/config/locate.h src/config/locate_private.h \
	src/config/locate_scan.c \
	src/config/merge.c src/config/merge.h \
	src/config/relations.c src/config/relations.h \
	src/config/relations_balance.c \
	src/config/relations_origin.c \
	src/config/relations_health.c \
	src/config/relations_rules.c \
	src/config/relations_upstream.c \
	src/config/status.c src/config/status.h \
	src/config/relations_tls.c \
	src/config/scan.c src/config/scan.h \
	include/config/suggest.h src/config/suggest.c \
	src/config/tlv.c src/config/tlv.h \
	src/config/fingerprint.c src/config/fingerprint.h
