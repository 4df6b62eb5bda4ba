noinst_LIBRARIES += src/libadmin.a
src_libadmin_a_SOURCES = \
	include/admin/admin.h src/admin/admin.c \
	src/admin/desk.h src/admin/job.c \
	src/admin/documents.c src/admin/handlers.h \
	include/admin/endpoints.h src/admin/endpoints.h src/admin/endpoints.c \
	src/admin/guard.h src/admin/guard.c \
	src/admin/inventory.h src/admin/inventory.c \
	src/admin/metrics.def src/admin/metrics.h src/admin/metrics.c src/admin/metrics_text.c \
	src/admin/router.h src/admin/router.c src/admin/routes.def \
	src/admin/server_change.h src/admin/server_change.c \
	src/admin/sessions.c \
	src/admin/http.h
if HAVE_MICROHTTPD
src_libadmin_a_SOURCES += src/admin/http.c
else
src_libadmin_a_SOURCES += src/admin/http_none.c
endif
EXTRA_DIST += src/admin/README
