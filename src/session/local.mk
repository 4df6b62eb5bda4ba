noinst_LIBRARIES += src/libsession.a
src_libsession_a_SOURCES =
