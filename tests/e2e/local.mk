# End-to-end tests: the real program between real clients and servers, in Python of the distribution.
# make check E2E_ARGS='-k half_close -x' runs some of them; MUXGATE names another binary.
dist_check_SCRIPTS += tests/e2e/run
TESTS += tests/e2e/run

# The folder as it is, less what Python and a run leave there.
EXTRA_DIST += tests/README.md tests/e2e
dist-hook:
	find $(distdir)/tests -name __pycache__ -prune -exec rm -rf {} +
	rm -f $(distdir)/tests/e2e/run.log $(distdir)/tests/e2e/run.trs
