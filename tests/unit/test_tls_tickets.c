/* Ticket keys over time. */
#include "base/clock.h"
#include "suite.h"
#include "tls/tickets.h"

#include <string.h>

#define HOUR UINT64_C(3600000000)

static const struct tls_ticket_terms usual = {.lifetime_s = 12 * 3600, .rotate_s = 4 * 3600};
static struct tls_tickets *tickets;
static struct tls_ticket_key first;
static uint64_t start;

static struct tls_ticket_key seal_at(uint64_t now)
{
    struct tls_ticket_key key;
    ck_assert(tls_tickets_seal(tickets, now, &key));
    return key;
}

static bool opens_at(uint64_t now, const struct tls_ticket_key *sealed, bool *ret_old)
{
    struct tls_ticket_key key;
    if (!tls_tickets_open(tickets, now, sealed->name, &key, ret_old))
        return false;
    ck_assert_mem_eq(key.cipher, sealed->cipher, sizeof key.cipher);
    ck_assert_mem_eq(key.mac, sealed->mac, sizeof key.mac);
    return true;
}

static void set_up(void)
{
    struct error error;
    start = clock_monotonic_us();
    ck_assert(tls_tickets_create(&tickets, &usual, NULL, &error));
    first = seal_at(start);
}

static void tear_down(void)
{
    tls_tickets_free(tickets);
}

START_TEST(a_key_seals_for_four_hours)
{
    struct tls_ticket_key later = seal_at(start + 3 * HOUR);
    ck_assert_mem_eq(later.name, first.name, sizeof first.name);
    later = seal_at(start + 4 * HOUR + HOUR / 2);
    ck_assert_mem_ne(later.name, first.name, sizeof first.name);
    ck_assert_mem_ne(later.cipher, first.cipher, sizeof first.cipher);
    ck_assert_mem_ne(later.mac, first.mac, sizeof first.mac);
}
END_TEST

START_TEST(a_key_opens_until_its_last_ticket_has_died)
{
    bool old = true;
    ck_assert(opens_at(start + HOUR, &first, &old));
    ck_assert(!old);
    for (uint64_t hours = 1; hours <= 15; hours++) {
        seal_at(start + hours * HOUR);
        ck_assert(opens_at(start + hours * HOUR, &first, &old));
        ck_assert_int_eq(old, hours > 4);
    }
    ck_assert(!opens_at(start + 16 * HOUR + HOUR / 2, &first, &old));
}
END_TEST

START_TEST(a_quiet_gateway_forgets_old_keys_too)
{
    bool old;
    ck_assert(opens_at(start + 10 * HOUR, &first, &old));
    ck_assert(old);
    ck_assert(!opens_at(start + 100 * HOUR, &first, &old));
    struct tls_ticket_key later = seal_at(start + 100 * HOUR);
    ck_assert(opens_at(start + 100 * HOUR, &later, &old));
}
END_TEST

START_TEST(an_unknown_name_opens_nothing)
{
    bool old;
    struct tls_ticket_key other = first;
    other.name[0] ^= 1;
    ck_assert(!opens_at(start, &other, &old));
}
END_TEST

START_TEST(a_reload_goes_on_with_the_keys)
{
    static const struct tls_ticket_terms others = {.lifetime_s = 3600, .rotate_s = 1800};
    struct tls_tickets *next;
    struct error error;
    bool old;
    ck_assert(tls_tickets_create(&next, &others, tickets, &error));
    tls_tickets_free(tickets);
    tickets = next;
    ck_assert(opens_at(start + HOUR / 4, &first, &old));
    ck_assert(!old);
    /* on the new terms */
    ck_assert(opens_at(start + HOUR, &first, &old));
    ck_assert(old);
    ck_assert(!opens_at(start + 2 * HOUR, &first, &old));
}
END_TEST

static struct tls_ticket_key key_of(unsigned char fill)
{
    struct tls_ticket_key key;
    memset(&key, fill, sizeof key);
    return key;
}

START_TEST(of_given_keys_the_first_seals_and_all_open_at_any_time)
{
    struct tls_ticket_key keys[] = {key_of(1), key_of(2), key_of(3)};
    struct tls_tickets *given;
    struct error error;
    bool old;
    ck_assert(tls_tickets_create_given(&given, 3600, keys, 3, &error));
    tls_tickets_free(tickets);
    tickets = given;
    struct tls_ticket_key sealed = seal_at(start + 1000 * HOUR);
    ck_assert_mem_eq(sealed.name, keys[0].name, sizeof sealed.name);
    for (size_t i = 0; i < 3; i++) {
        ck_assert(opens_at(start + 1000 * HOUR, &keys[i], &old));
        ck_assert_int_eq(old, i > 0);
    }
    tls_tickets_give(tickets, &keys[1], 2);
    ck_assert(!opens_at(start, &keys[0], &old));
    ck_assert(opens_at(start, &keys[1], &old));
    ck_assert(!old);
    /* What was random does not outlive the change to given keys, nor the other way round. */
    ck_assert(!opens_at(start, &first, &old));
    ck_assert(tls_tickets_create(&given, &usual, tickets, &error));
    tls_tickets_free(tickets);
    tickets = given;
    ck_assert(!opens_at(start, &keys[1], &old));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls tickets");
    TCase *all = tcase_create("tickets");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, a_key_seals_for_four_hours);
    tcase_add_test(all, a_key_opens_until_its_last_ticket_has_died);
    tcase_add_test(all, a_quiet_gateway_forgets_old_keys_too);
    tcase_add_test(all, an_unknown_name_opens_nothing);
    tcase_add_test(all, a_reload_goes_on_with_the_keys);
    tcase_add_test(all, of_given_keys_the_first_seals_and_all_open_at_any_time);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
