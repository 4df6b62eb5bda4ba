noinst_LIBRARIES += src/libsession.a
src_libsession_a_SOURCES = \
	include/session/acceptor.h src/session/acceptor.c src/session/binding.c \
	include/session/end_reasons.def include/session/end_reasons.h src/session/end_reasons.c \
	include/session/engine.h src/session/engine.c \
	include/session/crew.h src/session/crew.c \
	include/session/desks.h src/session/desks.c \
	include/session/limits.def include/session/limits.h src/session/limits.c \
	include/session/log_fields.def include/session/log_line.h src/session/log_line.c \
	include/session/rates.h src/session/rates.c \
	include/session/refusals.h src/session/refusals.c \
	include/session/sources.h src/session/sources.c \
	src/session/admission.c src/session/handshakes.c \
	include/session/outlook.h src/session/outlook.c \
	include/session/record.h src/session/record.c \
	include/session/relay.h src/session/relay.c \
	include/session/session.h src/session/session.c \
	include/session/tally.h src/session/tally.c \
	include/session/tour.h src/session/tour.c \
	include/session/turns.h src/session/turns.c \
	src/session/approval.c \
	src/session/first_words.c \
	include/session/departures.h src/session/departures.c \
	include/session/gather.h src/session/gather.c \
	src/session/peek.c \
	src/session/phase_connect.c \
	src/session/phase_handshake.c \
	src/session/phase_inspect.c \
	src/session/phase_proxy.c \
	src/session/phase_queue.c src/session/phase_redirect.c src/session/phase_relay.c \
	src/session/phase_starttls.c \
	src/session/proxy_out.c src/session/proxy_out.h \
	src/session/undecided.c \
	include/session/unknowns.h src/session/unknowns.c \
	include/session/snapshot.h src/session/snapshot.c
EXTRA_DIST += src/session/README
