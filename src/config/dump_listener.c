#include "dump.h"

#include "base/clock.h"

static void dump_certificates(struct json_writer *w, const struct model_tls *tls)
{
    if (tls->certificate_count == 0)
        return;
    json_open(w, "certificates", '[');
    for (size_t i = 0; i < tls->certificate_count; i++) {
        const struct model_certificate *c = &tls->certificates[i];
        json_open(w, NULL, '{');
        dump_text(w, KEY_certificate_pem, c->pem ? c->cert : NULL);
        dump_text(w, KEY_certificate_cert, c->pem ? NULL : c->cert);
        dump_text(w, KEY_certificate_key, c->pem ? NULL : c->key);
        dump_text(w, KEY_certificate_directory, c->directory);
        json_close(w, '}');
    }
    json_close(w, ']');
}

/* Always written: an empty list in a policy takes the listener's away. */
static void dump_alpn(struct json_writer *w, const struct string_list *alpn)
{
    json_open(w, key_at(KEY_tls_alpn)->name, '[');
    for (size_t i = 0; i < alpn->count; i++)
        json_put_text(w, NULL, alpn->item[i]);
    json_close(w, ']');
}

static void dump_client_auth(struct json_writer *w, const struct model_client_auth *auth)
{
    if (!auth->present)
        return;
    json_open(w, key_at(KEY_tls_client_auth)->name, '{');
    dump_choice(w, KEY_client_auth_mode, auth->mode);
    dump_text(w, KEY_client_auth_ca, auth->ca);
    dump_text(w, KEY_client_auth_crl, auth->crl);
    json_put_number(w, key_at(KEY_client_auth_depth)->name, auth->depth);
    json_close(w, '}');
}

static void dump_tickets(struct json_writer *w, const struct model_tickets *tickets)
{
    if (tickets->off) {
        dump_boolean(w, KEY_tls_session_tickets, false);
        return;
    }
    json_open(w, key_at(KEY_tls_session_tickets)->name, '{');
    dump_text(w, KEY_session_tickets_keys, tickets->keys);
    dump_duration(w, KEY_session_tickets_lifetime, tickets->lifetime_ms);
    if (tickets->keys == NULL)
        dump_duration(w, KEY_session_tickets_rotate, tickets->rotate_ms);
    json_put_number(w, key_at(KEY_session_tickets_count)->name, tickets->count);
    json_close(w, '}');
}

static void dump_tls(struct json_writer *w, const char *key, const struct model_tls *tls)
{
    const int oldest = 0x0301;
    json_open(w, key, '{');
    dump_certificates(w, tls);
    dump_boolean(w, KEY_tls_strict_sni, tls->strict_sni);
    dump_choice(w, KEY_tls_min_version, (unsigned)(tls->min_version - oldest));
    if (tls->max_version != 0)
        dump_choice(w, KEY_tls_max_version, (unsigned)(tls->max_version - oldest));
    dump_text(w, KEY_tls_ciphers, tls->ciphers);
    dump_text(w, KEY_tls_ciphersuites, tls->ciphersuites);
    dump_text(w, KEY_tls_groups, tls->groups);
    dump_boolean(w, KEY_tls_prefer_server_ciphers, tls->prefer_server_ciphers);
    dump_alpn(w, &tls->alpn);
    dump_client_auth(w, &tls->client_auth);
    dump_tickets(w, &tls->tickets);
    if (tls->ocsp_auto || tls->ocsp_file != NULL)
        dump_text(w, KEY_tls_ocsp_staple, tls->ocsp_auto ? "auto" : tls->ocsp_file);
    else
        dump_boolean(w, KEY_tls_ocsp_staple, false);
    dump_boolean(w, KEY_tls_early_data, false);
    dump_boolean(w, KEY_tls_watch, tls->watch);
    json_close(w, '}');
}

static void dump_fix(struct json_writer *w, const struct model_fix *fix)
{
    if (!fix->present)
        return;
    json_open(w, key_at(KEY_match_fix)->name, '{');
    dump_strings(w, KEY_fix_SenderCompID, &fix->sender_comp_id);
    dump_strings(w, KEY_fix_TargetCompID, &fix->target_comp_id);
    dump_strings(w, KEY_fix_SenderSubID, &fix->sender_sub_id);
    dump_strings(w, KEY_fix_Username, &fix->username);
    dump_strings(w, KEY_fix_BeginString, &fix->begin_string);
    if (fix->has_valid)
        dump_boolean(w, KEY_fix_valid, fix->valid);
    json_close(w, '}');
}

static void dump_client_cert(struct json_writer *w, const struct model_client_cert *cert)
{
    if (!cert->present)
        return;
    json_open(w, key_at(KEY_match_client_cert)->name, '{');
    dump_strings(w, KEY_client_cert_cn, &cert->cn);
    dump_strings(w, KEY_client_cert_san, &cert->san);
    json_close(w, '}');
}

static void dump_match(struct json_writer *w, const char *key, const struct model_match *match)
{
    unsigned open = 0;
    for (; match != NULL; match = match->negated, key = "not", open++) {
        json_open(w, key, '{');
        dump_strings(w, KEY_match_protocol, &match->protocol);
        if (match->has_silent)
            dump_boolean(w, KEY_match_silent, match->silent);
        dump_strings(w, KEY_match_sni, &match->sni);
        dump_strings(w, KEY_match_alpn, &match->alpn);
        if (match->source.count > 0)
            dump_cidrs(w, KEY_match_source, &match->source);
        dump_strings(w, KEY_match_prefix, &match->prefix);
        dump_strings(w, KEY_match_prefix_hex, &match->prefix_hex);
        dump_strings(w, KEY_match_ja4, &match->ja4);
        dump_strings(w, KEY_match_regex, &match->regex);
        dump_fix(w, &match->fix);
        dump_client_cert(w, &match->client_cert);
    }
    while (open-- > 0)
        json_close(w, '}');
}

static void dump_time(struct json_writer *w, enum key_id id, uint64_t seconds)
{
    char text[CLOCK_TEXT_MAX];
    clock_format_seconds(seconds, text);
    dump_text(w, id, seconds == 0 ? NULL : text);
}

/* As deep as rules are nested: the reader makes two levels. */
static void dump_rules(struct json_writer *w, const struct model_rule *rules, size_t count)
{
    json_open(w, "rules", '[');
    for (size_t i = 0; i < count; i++) {
        const struct model_rule *rule = &rules[i];
        json_open(w, NULL, '{');
        dump_text(w, KEY_rule_name, rule->name);
        if (rule->match.present)
            dump_match(w, "match", &rule->match);
        if (rule->tls != TLS_ACTION_PLAIN)
            dump_choice(w, KEY_rule_tls, rule->tls == TLS_ACTION_TERMINATE ? 0 : 1);
        if (rule->policy != NULL)
            dump_tls(w, "policy", rule->policy);
        dump_text(w, KEY_rule_starttls, rule->starttls);
        dump_text(w, KEY_rule_pool, rule->pool);
        if (rule->reject)
            dump_boolean(w, KEY_rule_reject, true);
        if (rule->redirect)
            dump_choice(w, KEY_rule_redirect, 0);
        dump_time(w, KEY_rule_from, rule->from);
        dump_time(w, KEY_rule_until, rule->until);
        if (rule->rule_count > 0)
            dump_rules(w, rule->rules, rule->rule_count);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void dump_limits(struct json_writer *w, const struct model_listener *l)
{
    if (l->max_sessions != 0 || l->max_sessions_per_source != 0 || l->max_handshakes != 0 ||
        l->accept_rate_per_source.count != 0) {
        json_open(w, "limits", '{');
        dump_limit(w, KEY_listener_limits_max_sessions, l->max_sessions);
        dump_limit(w, KEY_listener_limits_max_sessions_per_source, l->max_sessions_per_source);
        dump_rate(w, KEY_listener_limits_accept_rate_per_source, &l->accept_rate_per_source);
        dump_limit(w, KEY_listener_limits_max_handshakes, l->max_handshakes);
        json_close(w, '}');
    }
    json_open(w, "timeouts", '{');
    dump_duration(w, KEY_timeouts_handshake, l->handshake_timeout_ms);
    dump_duration(w, KEY_timeouts_idle, l->idle_timeout_ms);
    dump_duration(w, KEY_timeouts_half_closed, l->half_closed_timeout_ms);
    json_close(w, '}');
    json_open(w, "inspect_limits", '{');
    dump_limit(w, KEY_inspect_limits_max_undecided, l->max_undecided);
    dump_limit(w, KEY_inspect_limits_max_undecided_per_source, l->max_undecided_per_source);
    dump_size(w, KEY_inspect_limits_max_bytes, l->max_inspect_bytes);
    json_close(w, '}');
}

void dump_listener(struct json_writer *w, const struct model_listener *l)
{
    json_open(w, l->name, '{');
    json_open(w, "bind", '[');
    for (size_t i = 0; i < l->bind_count; i++)
        dump_address(w, NULL, &l->binds[i]);
    json_close(w, ']');
    dump_duration(w, KEY_listener_inspect_delay, l->inspect_delay_ms);
    if (l->has_accept_proxy)
        dump_cidrs(w, KEY_listener_accept_proxy, &l->accept_proxy);
    if (l->has_allow)
        dump_cidrs(w, KEY_listener_allow, &l->allow);
    if (l->deny.count > 0)
        dump_cidrs(w, KEY_listener_deny, &l->deny);
    if (l->tls.path != NULL)
        dump_tls(w, "tls", &l->tls);
    dump_rules(w, l->rules, l->rule_count);
    dump_limits(w, l);
    dump_keepalive(w, &l->keepalive);
    dump_boolean(w, KEY_listener_log, l->log);
    json_close(w, '}');
}
