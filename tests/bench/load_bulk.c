/* Bulk: each unit is one download, or upload, of the pattern over a session that stays open. */
#include "client.h"
#include "load.h"
#include "open.h"
#include "payload.h"
#include "util.h"

#include <inttypes.h>
#include <stdio.h>

#define FIRST_BYTES UINT64_C(65536)

static uint64_t command(struct client *c, char verb, uint64_t bytes)
{
    if (c->message == NULL)
        c->message = allocate(1, COMMAND_MAX);
    return (uint64_t)snprintf((char *)c->message, COMMAND_MAX, "%c%" PRIu64 "\n", verb, bytes);
}

static void download(struct client *c, uint64_t bytes)
{
    uint64_t length = command(c, 'D', bytes);

    client_exchange(
        c, (struct exchange){.head = c->message, .head_length = length, .answer_length = bytes});
}

static void upload(struct client *c, uint64_t bytes)
{
    static const unsigned char taken[] = {'K'};
    uint64_t length = command(c, 'S', bytes);

    client_exchange(c, (struct exchange){.head = c->message,
                                         .head_length = length,
                                         .body_length = bytes,
                                         .answer = taken,
                                         .answer_length = sizeof taken});
}

static void first_exchange(struct client *c)
{
    download(c, FIRST_BYTES);
}

static void next(struct client *c)
{
    if (!load_take(c->load))
        return;
    c->started_ns = now_ns();
    (c->load->upload ? upload : download)(c, c->load->bytes);
}

static void on_event(struct client *c, enum client_event event)
{
    if (event == CLIENT_FAILED) {
        load_failed(c->load, c->failure);
        return;
    }
    load_done(c->load, c->started_ns);
    next(c);
}

static void prepare(struct load *load)
{
    open_all(load, first_exchange);
}

static void measure(struct load *load)
{
    load_begin(load, load->count);
    for (unsigned i = 0; i < load->sessions; i++) {
        load->clients[i].on_event = on_event;
        next(&load->clients[i]);
    }
    load_run(load);
}

const struct load_mode load_bulk = {"bulk", prepare, measure};
