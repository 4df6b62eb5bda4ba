/* relay: moves bytes both ways between two open streams, with back-pressure.
 *
 * Ownership  lives inside its session; borrows both streams and the worker's scratch and pipes.
 * Memory     a quiet direction holds nothing; what could not be written is held (at most one
 * read, which is larger in bulk, or one pipe of PIPE_BYTES), and reading that side stops until it
 * has drained.
 * Ends       FIN ⇄ close_notify after the flush; a reset is told, never turned into an end.
 * Calls      no callbacks: the session pumps on readiness and looks at the answer. */
#ifndef SESSION_RELAY_H
#define SESSION_RELAY_H

#include "base/buffer.h"
#include "io/pipes.h"
#include "io/stream.h"

enum side { SIDE_CLIENT, SIDE_SERVER };

/* UP: from the client to the server; DOWN: back. */
enum direction { DIRECTION_UP, DIRECTION_DOWN };

/* What is moved together with others' is less than that. */
#define RELAY_SMALL_BYTES 2048u

struct relay_lane {
    struct buffer held;     /* read, not yet written */
    struct pipe_pair *pipe; /* held bytes of the splice path; NULL when copying */
    uint64_t bytes;         /* moved so far, as payload */
    uint8_t full_reads;     /* reads in a row that were large: bulk */
    bool bulk;              /* ... and the sink took all of the last one */
    bool ended;             /* the source has finished */
    bool finished;          /* ... and the sink was told */
    bool large;             /* the last read was no small one */
    bool refused;           /* the sink has reset: nothing more is read for it */
};

struct relay {
    struct relay_lane lane[2]; /* by direction */
};

/* What was read and written for one direction beforehand, together with others' (gather.h): what
 * the streams said. Nothing was written where nothing was read. */
struct relay_moved {
    unsigned char *bytes; /* not the scratch of the tools */
    size_t room;          /* for so many bytes */
    size_t count, written;
    enum stream_status read, wrote;
};

/* What pumping needs of the worker. */
struct relay_tools {
    unsigned char *scratch;
    size_t scratch_size, bulk_size; /* so much of it for one read, and in bulk */
    unsigned char *work;            /* STREAM_WORK_BYTES */
    struct pipes *pipes;
    const struct relay_moved *moved; /* taken for the first read and write; NULL: there is none */
};

enum relay_status {
    RELAY_GOES_ON,
    RELAY_DONE,   /* both directions have finished */
    RELAY_RESET,  /* `side` reset the connection */
    RELAY_BROKEN, /* `side` failed otherwise: stream_fault() of it */
    RELAY_OUT_OF_MEMORY,
};

struct relay_result {
    enum relay_status status;
    enum side side;
};

/* Moves what can be moved in one direction, bounded per call. `sides` by enum side. */
struct relay_result relay_pump(struct relay *relay, enum direction direction,
                               struct stream *const sides[2], const struct relay_tools *tools);

/* Writes what is held, and reads nothing. */
struct relay_result relay_flush(struct relay *relay, enum direction direction,
                                struct stream *const sides[2], const struct relay_tools *tools);

/* A write has told that this direction's sink has reset. What it said before that is still to be
 * read, and to be passed on to the other side, however slow that one is: the other direction goes
 * on until the end shows there, and then is RELAY_RESET, by that side. */
void relay_refuse(struct relay *relay, enum direction direction, struct pipes *pipes);

/* The readiness (EV_READ | EV_WRITE) to watch on `side` for both directions' sake. */
int relay_waits(const struct relay *relay, enum side side, struct stream *const sides[2]);

/* The direction has something that waits for its sink. */
bool relay_lane_blocked(const struct relay_lane *lane);

/* Bytes read and not yet written, in any direction. */
bool relay_holds_bytes(const struct relay *relay);

/* Gives back buffers and pipes. */
void relay_release(struct relay *relay, struct pipes *pipes);

#endif
