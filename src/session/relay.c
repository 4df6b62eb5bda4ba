#include "session/relay.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>

/* Reads of one pump before other sessions get their turn. */
#define PUMP_READS_MAX 2

/* So many full reads in a row make a direction bulk: below that, splice costs more than it saves.
 */
#define BULK_READS 2

/* A splice that moves less than this is small again: go back to copying. */
#define SMALL_SPLICE_BYTES (16u * 1024u)

struct ends {
    struct stream *from, *to;
    enum side from_side, to_side;
};

static struct ends ends_of(enum direction direction, struct stream *const sides[2])
{
    if (direction == DIRECTION_UP)
        return (struct ends){sides[SIDE_CLIENT], sides[SIDE_SERVER], SIDE_CLIENT, SIDE_SERVER};
    return (struct ends){sides[SIDE_SERVER], sides[SIDE_CLIENT], SIDE_SERVER, SIDE_CLIENT};
}

/* What one step of a pump came to. */
enum step { STEP_AGAIN_LATER, STEP_MORE, STEP_FAILED };

struct pump {
    struct relay_lane *lane;
    const struct relay_lane *other;
    struct ends ends;
    const struct relay_tools *tools;
    const struct relay_moved *moved; /* not looked at yet; NULL: none */
    struct relay_result result;
};

static enum step fail(struct pump *p, enum relay_status status, enum side side)
{
    p->result = (struct relay_result){status, side};
    return STEP_FAILED;
}

/* The one judge of what a stream said: RESET and BROKEN end the session, AGAIN waits. */
static enum step judge(struct pump *p, enum stream_status status, enum side side)
{
    switch (status) {
    case STREAM_RESET:
        return fail(p, RELAY_RESET, side);
    case STREAM_BROKEN:
        return fail(p, RELAY_BROKEN, side);
    case STREAM_AGAIN:
        return STEP_AGAIN_LATER;
    default:
        return STEP_MORE;
    }
}

/* Nothing is read by a write: where it met an end, the peer has gone with something left to say. */
static enum step judge_write(struct pump *p, enum stream_status status)
{
    return judge(p, status == STREAM_EOF ? STREAM_RESET : status, p->ends.to_side);
}

static enum step hold(struct pump *p, const unsigned char *bytes, size_t count)
{
    if (!buffer_append(&p->lane->held, span_of(bytes, count)))
        return fail(p, RELAY_OUT_OF_MEMORY, p->ends.to_side);
    return STEP_AGAIN_LATER;
}

/* --- copying --------------------------------------------------------------------------------- */

static enum step flush_held(struct pump *p)
{
    struct buffer *held = &p->lane->held;
    while (buffer_length(held) > 0) {
        struct span bytes = buffer_span(held);
        size_t count = 0;
        enum step step = judge_write(
            p, stream_write_much(p->ends.to, bytes.data, bytes.length, p->tools->work, &count));
        if (step != STEP_MORE)
            return step;
        buffer_consume(held, count);
    }
    buffer_release(held);
    return STEP_MORE;
}

static enum step write_through(struct pump *p, const unsigned char *bytes, size_t count)
{
    while (count > 0) {
        size_t written = 0;
        enum step step =
            judge_write(p, stream_write_much(p->ends.to, bytes, count, p->tools->work, &written));
        if (step == STEP_AGAIN_LATER)
            return hold(p, bytes, count);
        if (step == STEP_FAILED)
            return step;
        bytes += written;
        count -= written;
    }
    return STEP_MORE;
}

/* Reads until the room is full or the source has nothing more at hand: many small TLS records
 * become one write. */
static enum stream_status fill_scratch(struct pump *p, size_t room, size_t *ret_filled)
{
    struct stream *from = p->ends.from;
    size_t filled = 0;
    enum stream_status status;
    do {
        size_t count = 0;
        status = stream_read(from, p->tools->scratch + filled, room - filled, &count);
        if (status == STREAM_OK)
            filled += count;
    } while (status == STREAM_OK && filled < room && stream_pending(from));
    *ret_filled = filled;
    return status;
}

/* The same for what was written beforehand: how far it came. */
static enum step write_rest(struct pump *p, const struct relay_moved *moved)
{
    enum step step = judge_write(p, moved->wrote);
    if (step == STEP_MORE)
        return write_through(p, moved->bytes + moved->written, moved->count - moved->written);
    return step == STEP_FAILED ? step : hold(p, moved->bytes, moved->count);
}

/* One read and its write, made now or beforehand. */
struct portion {
    enum stream_status status; /* of the read */
    size_t count, room;
    enum step step; /* of the write; MORE where there was none */
};

static struct portion move_now(struct pump *p)
{
    size_t room = p->lane->bulk ? p->tools->bulk_size : p->tools->scratch_size;
    struct portion one = {.room = room, .step = STEP_MORE};
    one.status = fill_scratch(p, room, &one.count);
    if (one.count > 0)
        one.step = write_through(p, p->tools->scratch, one.count);
    return one;
}

static struct portion take_moved(struct pump *p)
{
    const struct relay_moved *moved = p->moved;
    struct portion one = {moved->read, moved->count, moved->room, STEP_MORE};
    p->moved = NULL;
    if (moved->count > 0)
        one.step = write_rest(p, moved);
    return one;
}

/* For a sink that falls behind no more than one small read is to be held. */
static void note_size(struct relay_lane *lane, bool large)
{
    if (!large)
        lane->full_reads = 0;
    else if (lane->full_reads < BULK_READS)
        lane->full_reads++;
    lane->bulk = lane->full_reads == BULK_READS && !relay_lane_blocked(lane);
}

static enum step copy_once(struct pump *p)
{
    struct relay_lane *lane = p->lane;
    struct portion one = p->moved == NULL ? move_now(p) : take_moved(p);
    enum stream_status status = one.status;
    lane->bytes += one.count;
    lane->large = one.count >= RELAY_SMALL_BYTES;
    if (one.step == STEP_FAILED)
        return STEP_FAILED;
    if (status == STREAM_EOF) {
        lane->ended = true;
        return STEP_AGAIN_LATER;
    }
    if (status != STREAM_OK && relay_lane_blocked(lane))
        return STEP_AGAIN_LATER; /* a stream tells it again, behind what is held */
    if (status != STREAM_OK)
        return judge(p, status, p->ends.from_side);
    bool full = one.count == one.room;
    note_size(lane, full || one.count >= p->tools->scratch_size);
    /* A short read has emptied the socket: the next one would only say EAGAIN. */
    return buffer_length(&lane->held) == 0 && (full || stream_pending(p->ends.from))
               ? STEP_MORE
               : STEP_AGAIN_LATER;
}

/* --- splicing -------------------------------------------------------------------------------- */

static enum stream_status splice_status(ssize_t count)
{
    if (count > 0)
        return STREAM_OK;
    if (count == 0)
        return STREAM_EOF;
    if (errno == EAGAIN || errno == EINTR)
        return STREAM_AGAIN;
    return errno == ECONNRESET || errno == EPIPE || errno == ETIMEDOUT ? STREAM_RESET
                                                                       : STREAM_BROKEN;
}

/* Empties the pipe into the sink. Bytes in the pipe are in flight: nothing else may pass them. */
static enum step flush_pipe(struct pump *p)
{
    struct pipe_pair *pipe = p->lane->pipe;
    while (pipe->held > 0) {
        ssize_t count = splice(pipe->out, NULL, p->ends.to->fd, NULL, pipe->held,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        enum step step = judge_write(p, splice_status(count));
        if (step != STEP_MORE)
            return step;
        pipe->held -= (size_t)count;
        stream_note_spliced(p->ends.to, (size_t)count);
    }
    return STEP_MORE;
}

/* Back to the worker's cache, which costs nothing: a quiet direction holds no pipe. */
static void give_pipe_back(struct pump *p)
{
    pipes_give(p->tools->pipes, p->lane->pipe);
    p->lane->pipe = NULL;
}

/* The pipe is empty here, so EAGAIN can only mean that the source is. */
static enum step splice_once(struct pump *p)
{
    struct relay_lane *lane = p->lane;
    ssize_t count = splice(p->ends.from->fd, NULL, lane->pipe->in, NULL, PIPE_BYTES,
                           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    enum stream_status status = splice_status(count);
    if (status != STREAM_OK) {
        give_pipe_back(p);
        lane->ended = status == STREAM_EOF;
        return status == STREAM_EOF ? STEP_AGAIN_LATER : judge(p, status, p->ends.from_side);
    }
    lane->pipe->held += (size_t)count;
    lane->bytes += (size_t)count;
    enum step step = flush_pipe(p);
    if ((size_t)count < SMALL_SPLICE_BYTES)
        lane->full_reads = 0;
    if (step == STEP_MORE && lane->full_reads == 0)
        give_pipe_back(p);
    return step;
}

static bool may_splice(const struct pump *p)
{
    return p->lane->full_reads >= BULK_READS && stream_is_plain(p->ends.from) &&
           stream_takes_splice(p->ends.to);
}

/* --- one direction --------------------------------------------------------------------------- */

static enum step flush(struct pump *p)
{
    enum step step = p->lane->pipe != NULL ? flush_pipe(p) : STEP_MORE;
    if (step == STEP_MORE && p->lane->pipe != NULL && p->lane->full_reads == 0)
        give_pipe_back(p);
    return step == STEP_MORE && buffer_length(&p->lane->held) > 0 ? flush_held(p) : step;
}

static enum step move_once(struct pump *p)
{
    if (p->lane->pipe == NULL && may_splice(p))
        p->lane->pipe = pipes_take(p->tools->pipes);
    return p->lane->pipe != NULL ? splice_once(p) : copy_once(p);
}

/* The source has finished and everything of it is written: say so to the sink. */
static void finish_sink(struct pump *p)
{
    struct relay_lane *lane = p->lane;
    if (!lane->ended || lane->finished || relay_lane_blocked(lane))
        return;
    /* The last thing to say to a plain sink is close() itself. */
    if (p->other->finished && stream_is_plain(p->ends.to)) {
        lane->finished = true;
        return;
    }
    /* What was cut off must not look whole on the other side, where that can be told. */
    p->ends.to->blunt = p->ends.from->truncated;
    p->ends.to->last = p->other->finished;
    enum stream_status status = stream_finish(p->ends.to);
    /* A peer that had finished and has gone by now misses nothing but our own end. */
    if (status == STREAM_OK || (status == STREAM_RESET && p->other->ended))
        lane->finished = true;
    else
        (void)judge_write(p, status);
}

static struct pump begin(struct relay *relay, enum direction direction,
                         struct stream *const sides[2], const struct relay_tools *tools)
{
    return (struct pump){
        .lane = &relay->lane[direction],
        .other = &relay->lane[direction == DIRECTION_UP ? DIRECTION_DOWN : DIRECTION_UP],
        .ends = ends_of(direction, sides),
        .tools = tools,
        .moved = tools->moved,
        .result = {RELAY_GOES_ON, SIDE_CLIENT}};
}

static enum step move(struct pump *p, int most_reads)
{
    enum step step = flush(p);
    for (int reads = 0; step == STEP_MORE && !p->lane->ended && reads < most_reads; reads++)
        step = move_once(p);
    return step;
}

/* What looks like an end of one that has reset is that reset. */
static void expect_reset(struct pump *p)
{
    if (p->lane->ended && !relay_lane_blocked(p->lane))
        (void)fail(p, RELAY_RESET, p->ends.from_side);
}

static struct relay_result run(struct relay *relay, enum direction direction,
                               struct stream *const sides[2], const struct relay_tools *tools,
                               int most_reads)
{
    struct pump p = begin(relay, direction, sides, tools);
    if (p.lane->refused)
        return p.result;
    enum step step = move(&p, most_reads);
    assert(step == STEP_FAILED || p.moved == NULL); /* who has moved it knew that it can be taken */
    if (step != STEP_FAILED && p.other->refused)
        expect_reset(&p);
    else if (step != STEP_FAILED)
        finish_sink(&p);
    if (p.result.status == RELAY_GOES_ON && relay->lane[0].finished && relay->lane[1].finished)
        p.result.status = RELAY_DONE;
    return p.result;
}

struct relay_result relay_pump(struct relay *relay, enum direction direction,
                               struct stream *const sides[2], const struct relay_tools *tools)
{
    return run(relay, direction, sides, tools, PUMP_READS_MAX);
}

struct relay_result relay_flush(struct relay *relay, enum direction direction,
                                struct stream *const sides[2], const struct relay_tools *tools)
{
    return run(relay, direction, sides, tools, 0);
}

bool relay_lane_blocked(const struct relay_lane *lane)
{
    return buffer_length(&lane->held) > 0 || (lane->pipe != NULL && lane->pipe->held > 0);
}

bool relay_holds_bytes(const struct relay *relay)
{
    return relay_lane_blocked(&relay->lane[0]) || relay_lane_blocked(&relay->lane[1]);
}

int relay_waits(const struct relay *relay, enum side side, struct stream *const sides[2])
{
    const struct relay_lane *out =
        &relay->lane[side == SIDE_CLIENT ? DIRECTION_UP : DIRECTION_DOWN];
    const struct relay_lane *in = &relay->lane[side == SIDE_CLIENT ? DIRECTION_DOWN : DIRECTION_UP];
    int events = 0;
    if (!out->ended && !out->refused && !relay_lane_blocked(out))
        events |= sides[side]->read_waits;
    if (!in->refused && (relay_lane_blocked(in) || (in->ended && !in->finished)))
        events |= sides[side]->write_waits;
    return events;
}

static void drop_held(struct relay_lane *lane, struct pipes *pipes)
{
    buffer_release(&lane->held);
    if (lane->pipe != NULL)
        pipes_give(pipes, lane->pipe);
    lane->pipe = NULL;
}

void relay_refuse(struct relay *relay, enum direction direction, struct pipes *pipes)
{
    drop_held(&relay->lane[direction], pipes);
    relay->lane[direction].refused = true;
}

void relay_release(struct relay *relay, struct pipes *pipes)
{
    for (int i = 0; i < 2; i++)
        drop_held(&relay->lane[i], pipes);
}
