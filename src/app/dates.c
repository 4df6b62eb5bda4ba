#include "app/dates.h"

#include "base/clock.h"

/* "PATH: in force, from 2027-01-01T00:00:00Z"; "not yet in force"; "past". */
static void print_rule(const struct model_rule *rule, uint64_t now, FILE *stream)
{
    char from[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX];
    if (rule->from == 0 && rule->until == 0)
        return;
    const char *state = model_rule_holds(rule, now) ? "in force"
                        : now < rule->from          ? "not yet in force"
                                                    : "past";
    clock_format_seconds(rule->from, from);
    clock_format_seconds(rule->until, until);
    (void)fprintf(stream, "%s: %s%s%s%s%s\n", rule->path, state, rule->from != 0 ? ", from " : "",
                  rule->from != 0 ? from : "", rule->until != 0 ? ", until " : "",
                  rule->until != 0 ? until : "");
}

void dates_print(const struct model *model, uint64_t now, FILE *stream)
{
    for (size_t i = 0; i < model->listener_count; i++) {
        const struct model_listener *listener = &model->listeners[i];
        for (size_t j = 0; j < listener->rule_count; j++) {
            const struct model_rule *rule = &listener->rules[j];
            print_rule(rule, now, stream);
            for (size_t k = 0; k < rule->rule_count; k++)
                print_rule(&rule->rules[k], now, stream);
        }
    }
}
