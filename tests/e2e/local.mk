# End-to-end tests: the real program between real clients and servers, in Python of the distribution.
# make check E2E_ARGS='-k half_close -x' runs some of them; MUXGATE names another binary.
dist_check_SCRIPTS += tests/e2e/run
TESTS += tests/e2e/run

EXTRA_DIST += tests/README.md tests/e2e/conftest.py
EXTRA_DIST += tests/e2e/harness/__init__.py tests/e2e/harness/acme.py tests/e2e/harness/admin.py tests/e2e/harness/books.py tests/e2e/harness/certs.py
EXTRA_DIST += tests/e2e/harness/cleanup.py tests/e2e/harness/clients.py
EXTRA_DIST += tests/e2e/harness/fix.py tests/e2e/harness/gate.py tests/e2e/harness/maglev.py
EXTRA_DIST += tests/e2e/harness/namespace.py tests/e2e/harness/sockets.py
EXTRA_DIST += tests/e2e/harness/net.py tests/e2e/harness/nginx.py tests/e2e/harness/postgres.py
EXTRA_DIST += tests/e2e/harness/proxy.py
EXTRA_DIST += tests/e2e/harness/servers.py tests/e2e/harness/settings.py tests/e2e/harness/tls.py
EXTRA_DIST += tests/e2e/harness/wait.py
EXTRA_DIST += tests/e2e/test_clients.py tests/e2e/test_recipes.py tests/e2e/harness/recipes.py
EXTRA_DIST += tests/e2e/test_balance.py
EXTRA_DIST += tests/e2e/test_admin.py
EXTRA_DIST += tests/e2e/test_certificates.py tests/e2e/test_config_cli.py tests/e2e/test_harness.py
EXTRA_DIST += tests/e2e/test_health.py
EXTRA_DIST += tests/e2e/test_inspect.py tests/e2e/test_lifecycle.py tests/e2e/test_limits.py
EXTRA_DIST += tests/e2e/test_log.py tests/e2e/test_moments.py tests/e2e/test_passthrough.py
EXTRA_DIST += tests/e2e/test_pools.py tests/e2e/test_port.py tests/e2e/test_probe_dump.py
EXTRA_DIST += tests/e2e/test_proxy_protocol.py tests/e2e/test_relay.py
EXTRA_DIST += tests/e2e/test_route.py tests/e2e/test_samples.py tests/e2e/test_terminate.py
EXTRA_DIST += tests/e2e/test_acme.py tests/e2e/test_certificate_folder.py tests/e2e/test_tls_policy.py
EXTRA_DIST += tests/e2e/test_starttls.py
EXTRA_DIST += tests/e2e/test_explain.py tests/e2e/test_dates.py tests/e2e/test_redirect.py
EXTRA_DIST += tests/e2e/test_origin.py tests/e2e/harness/haproxy.py tests/e2e/test_identity.py
