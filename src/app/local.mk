noinst_LIBRARIES += src/libapp.a
src_libapp_a_SOURCES = \
	include/app/access_log.h src/app/access_log.c \
	include/app/activation.h src/app/activation.c \
	include/app/audit.h src/app/audit.c \
	include/app/binder.h src/app/binder.c \
	include/app/dates.h src/app/dates.c \
	include/app/demo.h src/app/demo.c \
	include/app/echo.h src/app/echo.c \
	include/app/explain.h src/app/explain.c \
	src/app/explain_print.h src/app/explain_text.c src/app/explain_json.c src/app/explain_words.c \
	include/app/environment.h \
	include/app/fetcher.h src/app/fetcher.c \
	include/app/inherit.h src/app/inherit.c \
	include/app/keeper.h src/app/keeper.c \
	include/app/load.h src/app/load.c \
	include/app/muxgate.h src/app/muxgate.c src/app/muxgate_private.h \
	src/app/confirm.c src/app/reload.c src/app/succession.c \
	include/app/naming.h src/app/naming.c \
	include/app/notify.h src/app/notify.c \
	include/app/options.h src/app/options.c \
	include/app/predecessors.h src/app/predecessors.c \
	include/app/privileges.h src/app/privileges.c \
	include/app/quick.h src/app/quick.c \
	include/app/renewal.h src/app/renewal.c \
	include/app/stapling.h src/app/stapling.c \
	include/app/surroundings.h src/app/surroundings.c \
	include/app/upgrade.h src/app/upgrade.c \
	include/app/watchdog.h src/app/watchdog.c \
	include/app/worker.h src/app/worker.c

sbin_PROGRAMS += src/muxgate
src_muxgate_SOURCES = src/app/main.c
src_muxgate_LDADD = $(FLOOR_APP) $(MG_LIBS)
EXTRA_DIST += src/app/README
