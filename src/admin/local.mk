noinst_LIBRARIES += src/libadmin.a
src_libadmin_a_SOURCES = \
	include/admin/admin.h src/admin/admin.c \
	src/admin/desk.h src/admin/job.c \
	src/admin/documents.c src/admin/handlers.h \
	include/admin/endpoints.h src/admin/endpoints.h src/admin/endpoints.c \
	src/admin/guard.h src/admin/guard.c \
	src/admin/ledger.c \
	src/admin/inventory.h src/admin/inventory.c \
	src/admin/metrics.def src/admin/metrics.h src/admin/metrics.c src/admin/metrics_text.c \
	src/admin/router.h src/admin/router.c src/admin/routes.def \
	src/admin/server_change.h src/admin/server_change.c \
	src/admin/unknown.c \
	src/admin/page.c \
	src/admin/reload.c src/admin/preview.c \
	src/admin/rows.h src/admin/rows.c src/admin/traffic.c \
	src/admin/sessions.c \
	src/admin/http.h
if HAVE_MICROHTTPD
src_libadmin_a_SOURCES += src/admin/http.c
else
src_libadmin_a_SOURCES += src/admin/http_none.c
endif
# The dashboard travels in the program: its files, as bytes of C.
DASHBOARD_FILES = \
	src/admin/dashboard/index.html src/admin/dashboard/style.css src/admin/dashboard/icon.svg \
	src/admin/dashboard/app.js src/admin/dashboard/api.js src/admin/dashboard/certificates.js \
	src/admin/dashboard/dom.js src/admin/dashboard/ends.js src/admin/dashboard/format.js \
	src/admin/dashboard/overview.js src/admin/dashboard/pools.js src/admin/dashboard/rates.js \
	src/admin/dashboard/rules.js src/admin/dashboard/sessions.js
src/admin/dashboard.inc: $(DASHBOARD_FILES) scripts/embed
	$(AM_V_GEN)$(MKDIR_P) src/admin && $(srcdir)/scripts/embed $(srcdir) $(DASHBOARD_FILES) >$@.new && mv $@.new $@
src/admin/page.$(OBJEXT): src/admin/dashboard.inc
CLEANFILES += src/admin/dashboard.inc src/admin/dashboard.inc.new

EXTRA_DIST += $(DASHBOARD_FILES) scripts/embed src/admin/README
