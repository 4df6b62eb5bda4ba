#include "open.h"

#include "util.h"

#define AT_ONCE 64u

static struct {
    unsigned next;
    void (*first_exchange)(struct client *client);
} opening;

static void open_next(struct load *load)
{
    if (load_take(load))
        client_open(&load->clients[opening.next++]);
}

static void on_event(struct client *c, enum client_event event)
{
    if (event == CLIENT_FAILED)
        die("session %u of %u: %s", c->number + 1, c->load->sessions, c->failure);
    if (event == CLIENT_OPENED) {
        opening.first_exchange(c);
        return;
    }
    load_done(c->load, c->started_ns);
    open_next(c->load);
}

void open_all(struct load *load, void (*first_exchange)(struct client *client))
{
    opening.next = 0;
    opening.first_exchange = first_exchange;
    load->clients = clients_create(load, load->sessions, on_event);
    load_begin(load, load->sessions);
    for (unsigned i = 0; i < AT_ONCE; i++)
        open_next(load);
    load_run(load);
}
