# scripts: the checks that are part of `make check`, and the tools that travel with the tarball.
dist_check_SCRIPTS += scripts/check-docs scripts/check-floors scripts/check-samples
TESTS += scripts/check-docs scripts/check-floors scripts/check-samples

EXTRA_DIST += .ci/run .clang-format .editorconfig certs/README.md scripts/certbot-deploy-hook scripts/check scripts/common.sh scripts/make-certs scripts/quickstart
EXTRA_DIST += scripts/check-kernel-tls scripts/soak

# Ten minutes of random faults (SOAK_MINUTES); the tests have a few seconds of it.
SOAK_MINUTES = 10
soak: all
	$(srcdir)/scripts/soak --minutes $(SOAK_MINUTES)
.PHONY: soak

# Under a kernel that has TLS, in an emulated machine: tests that elsewhere can only show what is without it.
check-kernel-tls: all
	$(srcdir)/scripts/check-kernel-tls
.PHONY: check-kernel-tls
