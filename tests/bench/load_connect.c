/* New connections: connect, handshake, one echo, close; `sessions` of them at the same time. */
#include "client.h"
#include "load.h"

static void next(struct client *c)
{
    if (load_take(c->load))
        client_open(c);
}

static void on_event(struct client *c, enum client_event event)
{
    if (event == CLIENT_OPENED) {
        client_echo(c);
        return;
    }
    if (event == CLIENT_ANSWERED) {
        client_close(c);
        load_done(c->load, c->started_ns);
    } else {
        load_failed(c->load, c->failure);
    }
    next(c);
}

static void run(struct load *load, uint64_t goal)
{
    load_begin(load, goal);
    for (unsigned i = 0; i < load->sessions; i++)
        next(&load->clients[i]);
    load_run(load);
}

static void prepare(struct load *load)
{
    load->clients = clients_create(load, load->sessions, on_event);
    run(load, 2 * (uint64_t)load->sessions);
}

static void measure(struct load *load)
{
    run(load, load->count);
}

const struct load_mode load_connect = {"connect", prepare, measure};
