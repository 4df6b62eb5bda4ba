noinst_LIBRARIES += src/libctl.a
src_libctl_a_SOURCES = \
	src/ctl/ask.h src/ctl/ask.c \
	src/ctl/client.h src/ctl/client.c \
	src/ctl/commands.h src/ctl/commands.c \
	src/ctl/draw.c src/ctl/draw_preview.c \
	src/ctl/reload.c \
	src/ctl/screen.h src/ctl/screen.c \
	src/ctl/samples.h src/ctl/samples.c \
	src/ctl/table.h src/ctl/table.c \
	src/ctl/top.c

bin_PROGRAMS += src/muxgatectl
src_muxgatectl_SOURCES = src/ctl/main.c
src_muxgatectl_LDADD = $(FLOOR_CTL) $(JANSSON_LIBS)
EXTRA_DIST += src/ctl/README
