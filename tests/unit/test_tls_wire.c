/* What lies between OpenSSL and the socket: what is held back, and what is read beforehand. */
#include "suite.h"
#include "wire_kit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void say(const char *text)
{
    ck_assert_int_eq(send(peer, text, strlen(text), 0), (ssize_t)strlen(text));
}

/* What the peer can read in one go; "" for nothing. */
static const char *heard(void)
{
    static char room[64];
    ssize_t count = recv(peer, room, sizeof room - 1, 0);
    room[count < 0 ? 0 : count] = '\0';
    return room;
}

START_TEST(what_is_fetched_is_read_first_and_not_asked_for_again)
{
    char room[16];
    say("hello");
    ck_assert(tls_wire_fetch(&wire));
    ck_assert(!tls_wire_fetch(&wire)); /* once */
    ck_assert_int_eq(BIO_read(bio, room, 2), 2);
    ck_assert_int_eq(memcmp(room, "he", 2), 0);
    ck_assert_int_eq(BIO_read(bio, room, sizeof room), 3);
    ck_assert_int_eq(memcmp(room, "llo", 3), 0);
    say("!"); /* is there, but the socket was empty and has not been announced since */
    ck_assert_int_lt(BIO_read(bio, room, sizeof room), 0);
    ck_assert(BIO_should_read(bio));
    tls_wire_ready(&wire);
    ck_assert_int_eq(BIO_read(bio, room, sizeof room), 1);
}
END_TEST

START_TEST(an_end_is_not_lost_by_a_fetch)
{
    char room[16];
    ck_assert(!tls_wire_fetch(&wire)); /* nothing */
    (void)shutdown(peer, SHUT_WR);
    ck_assert(!tls_wire_fetch(&wire));
    ck_assert_int_eq(BIO_read(bio, room, sizeof room), 0);
    ck_assert(wire.eof);
}
END_TEST

START_TEST(what_is_held_goes_with_the_next_write)
{
    wire.collecting = wire.later = true;
    ck_assert_int_eq(BIO_write(bio, "ticket ", 7), 7);
    ck_assert_int_eq(BIO_flush(bio), 1);
    wire.collecting = wire.later = false;
    ck_assert_str_eq(heard(), "");
    ck_assert_int_eq(BIO_write(bio, "answer", 6), 6);
    ck_assert_str_eq(heard(), "ticket answer");
    ck_assert_uint_eq(buffer_length(&wire.held), 0);
}
END_TEST

START_TEST(what_is_held_goes_alone_when_it_is_flushed)
{
    wire.collecting = wire.later = true;
    ck_assert_int_eq(BIO_write(bio, "ticket", 6), 6);
    wire.collecting = wire.later = false;
    tls_wire_flush(&wire);
    ck_assert_str_eq(heard(), "ticket");
    ck_assert_ptr_null(wire.held.body);
    tls_wire_flush(&wire); /* nothing left, nothing done */
    ck_assert_str_eq(heard(), "");
}
END_TEST

/* The peer takes nothing for a while: each byte arrives once, in order. */
START_TEST(what_is_held_is_never_overtaken)
{
    static char held[1 << 20], all[(1 << 20) + 6];
    size_t have = 0;
    for (size_t i = 0; i < sizeof held; i++)
        held[i] = (char)('a' + i % 23);
    wire.collecting = true;
    ck_assert_int_eq(BIO_write(bio, held, sizeof held), (int)sizeof held);
    wire.collecting = false;
    int written = 0;
    while (have < sizeof all) {
        if (written <= 0)
            written = BIO_write(bio, "answer", 6);
        ck_assert(written == 6 || BIO_should_write(bio));
        ssize_t count;
        while (have < sizeof all && (count = recv(peer, all + have, sizeof all - have, 0)) > 0)
            have += (size_t)count;
    }
    ck_assert_int_eq(memcmp(all, held, sizeof held), 0);
    ck_assert_int_eq(memcmp(all + sizeof held, "answer", 6), 0);
}
END_TEST

START_TEST(a_peer_that_has_gone_is_told_of_by_reading)
{
    wire.collecting = wire.later = true;
    ck_assert_int_eq(BIO_write(bio, "ticket", 6), 6);
    wire.collecting = wire.later = false;
    (void)shutdown(peer, SHUT_RDWR);
    tls_wire_flush(&wire);
    ck_assert_int_eq(wire.error, 0);
    ck_assert_uint_eq(buffer_length(&wire.held), 0);
}
END_TEST

/* --- with calls that others make -------------------------------------------------------------- */

static void lend(struct tls_errand *errand, struct stream_lent *lent, const char *bytes,
                 size_t room)
{
    *lent = (struct stream_lent){(const unsigned char *)bytes, room, (int)strlen(bytes)};
    tls_wire_lend(&wire, errand, lent);
}

static const char *took(int size)
{
    static char room[64];
    int count = BIO_read(bio, room, size);
    room[count < 0 ? 0 : count] = '\0';
    return room;
}

START_TEST(what_is_lent_is_read_and_the_socket_not_asked_if_it_was_all)
{
    struct tls_errand errand;
    struct stream_lent lent;
    say("later");
    wire.dry = true;
    lend(&errand, &lent, "hello", 6);
    ck_assert_str_eq(took(2), "he");
    ck_assert_str_eq(took(60), "llo");
    ck_assert_str_eq(took(60), "");
    ck_assert(BIO_should_read(bio));
    tls_wire_take_back(&wire);
    lend(&errand, &lent, "again", 5); /* no room was left: there may be more */
    ck_assert_str_eq(took(60), "again");
    ck_assert_str_eq(took(60), "later");
    tls_wire_take_back(&wire);
    ck_assert_ptr_null(wire.fetched.body);
}
END_TEST

START_TEST(what_was_lent_and_not_read_is_kept_and_comes_first)
{
    struct tls_errand errand;
    struct stream_lent lent;
    say("!");
    lend(&errand, &lent, "hello", 5);
    ck_assert_str_eq(took(2), "he");
    tls_wire_take_back(&wire);
    lend(&errand, &lent, ", ", 2);
    tls_wire_take_back(&wire); /* nothing of it was read */
    lend(&errand, &lent, "world", 5);
    ck_assert_str_eq(took(60), "llo, ");
    ck_assert_str_eq(took(60), "world");
    tls_wire_take_back(&wire);
    ck_assert_str_eq(took(60), "!");
    ck_assert_ptr_null(wire.fetched.body);
}
END_TEST

START_TEST(what_reading_for_it_has_met_is_told_as_if_it_had_read)
{
    struct tls_errand errand;
    struct stream_lent lent = {NULL, 5, -EAGAIN};
    say("unasked");
    tls_wire_lend(&wire, &errand, &lent);
    ck_assert_str_eq(took(60), "");
    ck_assert(BIO_should_read(bio));
    tls_wire_take_back(&wire);
    tls_wire_ready(&wire);
    ck_assert_str_eq(took(60), "unasked");
    (void)shutdown(peer, SHUT_WR);
    lent.got = 0;
    tls_wire_lend(&wire, &errand, &lent);
    ck_assert_str_eq(took(60), "");
    ck_assert(wire.eof);
    tls_wire_take_back(&wire);
    lent.got = -ECONNRESET;
    tls_wire_lend(&wire, &errand, &lent);
    ck_assert_str_eq(took(60), "");
    ck_assert(!BIO_should_read(bio));
    ck_assert_int_eq(wire.error, ECONNRESET);
    tls_wire_take_back(&wire);
}
END_TEST

static unsigned char parcel_room[16];

/* The library's two tries: the first for the parcel, the second with what was sent of it. */
static int write_packed(const char *record, int sent)
{
    struct stream_parcel parcel = {.room = parcel_room, .size = sizeof parcel_room};
    struct tls_errand errand = {.parcel = &parcel};
    int length = (int)strlen(record);
    wire.errand = &errand;
    ck_assert_int_lt(BIO_write(bio, record, length), 0);
    ck_assert(BIO_should_write(bio));
    ck_assert(!tls_wire_is_free(&wire));
    ck_assert_str_eq(heard(), "");
    ck_assert_int_lt(BIO_write(bio, "another", 7), 0); /* nothing passes it */
    ck_assert_uint_eq(parcel.length, (size_t)length);
    ck_assert_mem_eq(parcel.bytes, record, (size_t)length);
    errand.sent = true;
    parcel.sent = sent;
    int result = BIO_write(bio, record, length);
    ck_assert_ptr_null(wire.errand);
    return result;
}

START_TEST(what_was_packed_and_sent_is_not_sent_again)
{
    ck_assert_int_eq(write_packed("record", 6), 6);
    ck_assert(tls_wire_is_free(&wire));
    ck_assert_str_eq(heard(), "");
    ck_assert_int_eq(BIO_write(bio, "next", 4), 4);
    ck_assert_str_eq(heard(), "next");
}
END_TEST

START_TEST(what_was_not_sent_of_a_parcel_the_wire_sends)
{
    ck_assert_int_eq(write_packed("record", 2), 2);
    ck_assert(!tls_wire_is_free(&wire));
    ck_assert_int_eq(BIO_write(bio, "cord", 4), 4);
    ck_assert(tls_wire_is_free(&wire));
    ck_assert_str_eq(heard(), "cord");
    ck_assert_int_eq(write_packed("record", -EAGAIN), 6);
    ck_assert_str_eq(heard(), "record");
    ck_assert_int_eq(write_packed("record", 0), 6);
    ck_assert_str_eq(heard(), "record");
}
END_TEST

START_TEST(a_parcel_that_met_a_reset_is_refused)
{
    ck_assert_int_lt(write_packed("record", -EPIPE), 0);
    ck_assert(!BIO_should_write(bio));
    ck_assert(wire.reset && wire.refused);
    ck_assert_int_eq(wire.error, 0);
}
END_TEST

START_TEST(what_does_not_fit_into_the_parcel_is_sent_as_ever)
{
    struct stream_parcel parcel = {.room = parcel_room, .size = 3};
    struct tls_errand errand = {.parcel = &parcel};
    wire.errand = &errand;
    ck_assert_int_lt(BIO_write(bio, "record", 6), 0);
    ck_assert(BIO_should_write(bio));
    wire.errand = NULL;
    ck_assert_uint_eq(parcel.length, 0);
    ck_assert_int_eq(BIO_write(bio, "record", 6), 6);
    ck_assert_str_eq(heard(), "record");
}
END_TEST

/* --- gathered --------------------------------------------------------------------------------- */

static unsigned char batch_room[8];

static void write_more(const char *text, bool more)
{
    wire.more = more;
    ck_assert_int_eq(BIO_write(bio, text, (int)strlen(text)), (int)strlen(text));
}

/* Each send is a message here. */
static void count_sends(void)
{
    int fds[2];
    (void)close(wire.fd);
    (void)close(peer);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
    wire.fd = fds[0];
    peer = fds[1];
}

START_TEST(what_is_gathered_is_sent_once_with_what_ends_it_or_does_not_fit)
{
    struct tls_batch batch = {.room = batch_room, .size = sizeof batch_room};
    count_sends();
    tls_wire_begin_batch(&wire, &batch);
    write_more("one ", true);
    write_more("two ", true); /* the room is full */
    ck_assert_str_eq(heard(), "");
    write_more("three ", true);
    ck_assert_str_eq(heard(), "one two three ");
    write_more("four ", true);
    write_more("end", false);
    ck_assert_str_eq(heard(), "four end");
    write_more("alone", false);
    ck_assert_str_eq(heard(), "alone");
    tls_wire_end_batch(&wire);
    write_more("after", true); /* nothing is gathered any more */
    ck_assert_str_eq(heard(), "after");
    ck_assert_ptr_null(wire.held.body);
}
END_TEST

START_TEST(behind_what_is_held_nothing_is_gathered)
{
    struct tls_batch batch = {.room = batch_room, .size = sizeof batch_room};
    count_sends();
    wire.collecting = wire.later = true;
    ck_assert_int_eq(BIO_write(bio, "ticket ", 7), 7);
    wire.collecting = wire.later = false;
    tls_wire_begin_batch(&wire, &batch);
    write_more("one ", true);
    ck_assert_str_eq(heard(), "ticket one ");
    write_more("two ", true);
    write_more("end", false);
    tls_wire_end_batch(&wire);
    ck_assert_str_eq(heard(), "two end");
    ck_assert_ptr_null(wire.held.body);
}
END_TEST

START_TEST(what_is_gathered_and_never_ended_goes_with_the_next_write)
{
    struct tls_batch batch = {.room = batch_room, .size = sizeof batch_room};
    count_sends();
    tls_wire_begin_batch(&wire, &batch);
    write_more("one ", true);
    tls_wire_end_batch(&wire);
    memset(batch_room, 'x', sizeof batch_room);
    write_more("end", false);
    ck_assert_str_eq(heard(), "one end");
    ck_assert_ptr_null(wire.held.body);
}
END_TEST

/* As the library has it: it tries again with the rest of the record that was not taken. */
START_TEST(what_is_gathered_and_not_taken_is_kept_in_order)
{
    enum { RECORD = 5000, BATCH = 3, MOST = 400 };
    static unsigned char room[BATCH * RECORD], sent[MOST * RECORD], got[MOST * RECORD];
    size_t have = 0, at = 0, blocked = 0;
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (unsigned char)(i * 7 + i / 251);
    while (have < sizeof sent) {
        struct tls_batch batch = {.room = room, .size = sizeof room};
        int written = 1;
        tls_wire_begin_batch(&wire, &batch);
        for (size_t i = 0; i <= BATCH && written > 0 && at < sizeof sent; i++) {
            size_t left = RECORD - at % RECORD;
            wire.more = i < BATCH && at + left < sizeof sent;
            written = BIO_write(bio, sent + at, (int)left);
            ck_assert(written > 0 || BIO_should_write(bio));
            at += written > 0 ? (size_t)written : 0;
        }
        tls_wire_end_batch(&wire);
        memset(room, 0, sizeof room);
        blocked += written <= 0;
        ck_assert_uint_le(buffer_length(&wire.held), sizeof room);
        ssize_t count =
            recv(peer, got + have, sizeof got - have < 7777 ? sizeof got - have : 7777, 0);
        have += count > 0 ? (size_t)count : 0;
    }
    ck_assert_uint_gt(blocked, 0);
    ck_assert_int_eq(memcmp(sent, got, sizeof sent), 0);
    ck_assert_ptr_null(wire.held.body);
}
END_TEST

START_TEST(a_reset_met_with_what_was_gathered_is_told)
{
    struct tls_batch batch = {.room = batch_room, .size = sizeof batch_room};
    (void)shutdown(peer, SHUT_RDWR);
    tls_wire_begin_batch(&wire, &batch);
    write_more("one ", true);
    wire.more = false;
    ck_assert_int_lt(BIO_write(bio, "end", 3), 0);
    ck_assert(!BIO_should_retry(bio));
    ck_assert(wire.refused);
    tls_wire_end_batch(&wire);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls wire");
    TCase *tests = tcase_create("wire");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, wire_set_up, wire_tear_down);
    tcase_add_test(tests, what_is_fetched_is_read_first_and_not_asked_for_again);
    tcase_add_test(tests, an_end_is_not_lost_by_a_fetch);
    tcase_add_test(tests, what_is_held_goes_with_the_next_write);
    tcase_add_test(tests, what_is_held_goes_alone_when_it_is_flushed);
    tcase_add_test(tests, what_is_held_is_never_overtaken);
    tcase_add_test(tests, a_peer_that_has_gone_is_told_of_by_reading);
    tcase_add_test(tests, what_is_lent_is_read_and_the_socket_not_asked_if_it_was_all);
    tcase_add_test(tests, what_was_lent_and_not_read_is_kept_and_comes_first);
    tcase_add_test(tests, what_reading_for_it_has_met_is_told_as_if_it_had_read);
    tcase_add_test(tests, what_was_packed_and_sent_is_not_sent_again);
    tcase_add_test(tests, what_was_not_sent_of_a_parcel_the_wire_sends);
    tcase_add_test(tests, a_parcel_that_met_a_reset_is_refused);
    tcase_add_test(tests, what_does_not_fit_into_the_parcel_is_sent_as_ever);
    tcase_add_test(tests, what_is_gathered_is_sent_once_with_what_ends_it_or_does_not_fit);
    tcase_add_test(tests, behind_what_is_held_nothing_is_gathered);
    tcase_add_test(tests, what_is_gathered_and_never_ended_goes_with_the_next_write);
    tcase_add_test(tests, what_is_gathered_and_not_taken_is_kept_in_order);
    tcase_add_test(tests, a_reset_met_with_what_was_gathered_is_told);
    return suite_run(suite);
}
