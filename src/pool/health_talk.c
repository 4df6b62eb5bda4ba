#include "health_talk.h"

#include "base/text.h"

#include <stdio.h>

/* --- what is said ---------------------------------------------------------------------------- */

static unsigned digit_of(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* Pairs of digits, as the form check has them. */
static bool add_hex(struct buffer *ret, const char *digits)
{
    for (; digits[0] != '\0' && digits[1] != '\0'; digits += 2) {
        unsigned char byte = (unsigned char)(digit_of(digits[0]) << 4 | digit_of(digits[1]));
        if (!buffer_append(ret, span_of(&byte, 1)))
            return false;
    }
    return true;
}

static bool add_either(struct buffer *ret, const char *text, const char *hex)
{
    if (hex != NULL)
        return add_hex(ret, hex);
    return text == NULL || buffer_append(ret, span_text(text));
}

static bool add_request(struct buffer *ret, const struct model_health *settings, const char *host)
{
    struct text request = {0};
    text_format(&request,
                "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: muxgate\r\nAccept: */*\r\n"
                "Connection: close\r\n\r\n",
                settings->http_path, settings->http_host != NULL ? settings->http_host : host);
    bool good = !request.failed && buffer_append(ret, span_of(request.data, request.length));
    text_release(&request);
    return good;
}

bool talk_init(struct talk *ret, const struct model_health *settings, const char *host)
{
    *ret = (struct talk){.settings = settings};
    bool good = true;
    if (settings->type == HEALTH_HTTP)
        good = add_request(&ret->say, settings, host);
    else if (settings->type == HEALTH_SCRIPT)
        good = add_either(&ret->say, settings->send, settings->send_hex) &&
               add_either(&ret->want, settings->expect, settings->expect_hex);
    if (!good)
        talk_release(ret);
    return good;
}

void talk_release(struct talk *talk)
{
    buffer_release(&talk->say);
    buffer_release(&talk->want);
}

bool talk_is_needed(const struct talk *talk)
{
    return talk->settings->type == HEALTH_HTTP || talk->settings->type == HEALTH_SCRIPT;
}

bool talk_waits_for_end(const struct talk *talk)
{
    return talk->settings->type == HEALTH_HTTP;
}

/* --- what is heard --------------------------------------------------------------------------- */

/* One character of "HTTP/1.1 200 " is what its place wants; '0' stands for any digit. */
static bool fits(char wanted, unsigned char seen)
{
    return wanted == '0' ? seen >= '0' && seen <= '9' : seen == (unsigned char)wanted;
}

enum verdict talk_parse_status(uint16_t *ret, struct span bytes)
{
    static const char form[] = "HTTP/0.0 000";
    const size_t length = sizeof form - 1;
    for (size_t i = 0; i < length && i < bytes.length; i++)
        if (!fits(form[i], bytes.data[i]))
            return VERDICT_NO;
    if (bytes.length <= length)
        return VERDICT_MORE;
    if (bytes.data[length] != ' ' && bytes.data[length] != '\r' && bytes.data[length] != '\n')
        return VERDICT_NO;
    const unsigned char *number = bytes.data + length - 3;
    *ret = (uint16_t)(100 * (number[0] - '0') + 10 * (number[1] - '0') + (number[2] - '0'));
    return VERDICT_YES;
}

static bool is_wanted(const struct status_list *list, uint16_t status)
{
    for (unsigned i = 0; i < list->count; i++)
        if (status >= list->range[i].low && status <= list->range[i].high)
            return true;
    return false;
}

static enum verdict judge_http(const struct talk *talk, struct span heard, bool final, char *reason)
{
    uint16_t status;
    switch (talk_parse_status(&status, heard)) {
    case VERDICT_YES:
        snprintf(reason, TALK_REASON_MAX, "HTTP status %u", status);
        return is_wanted(&talk->settings->statuses, status) ? VERDICT_YES : VERDICT_NO;
    case VERDICT_MORE:
        if (!final)
            return VERDICT_MORE;
        snprintf(reason, TALK_REASON_MAX, "%s",
                 heard.length == 0 ? "closed without an answer" : "closed within its answer");
        return VERDICT_NO;
    default:
        snprintf(reason, TALK_REASON_MAX, "the answer is not HTTP/1");
        return VERDICT_NO;
    }
}

static enum verdict judge_script(const struct talk *talk, struct span heard, bool final,
                                 char *reason)
{
    struct span want = buffer_span(&talk->want);
    if (want.length == 0) {
        snprintf(reason, TALK_REASON_MAX, "sent");
        return VERDICT_YES;
    }
    if (heard.length >= want.length &&
        memmem(heard.data, heard.length, want.data, want.length) != NULL) {
        snprintf(reason, TALK_REASON_MAX, "answered as expected");
        return VERDICT_YES;
    }
    if (!final)
        return VERDICT_MORE;
    snprintf(reason, TALK_REASON_MAX, "%s",
             heard.length == 0 ? "closed without an answer" : "not the expected answer");
    return VERDICT_NO;
}

enum verdict talk_judge(const struct talk *talk, struct span heard, bool final,
                        char reason[TALK_REASON_MAX])
{
    return talk->settings->type == HEALTH_HTTP ? judge_http(talk, heard, final, reason)
                                               : judge_script(talk, heard, final, reason);
}
