noinst_LIBRARIES += src/libapp.a
src_libapp_a_SOURCES =
sbin_PROGRAMS += src/muxgate
src_muxgate_SOURCES = src/app/main.c
src_muxgate_LDADD = $(FLOOR_APP) $(MG_LIBS)
