# scripts: the checks that are part of `make check`, and the tools that travel with the tarball.
dist_check_SCRIPTS += scripts/check-docs scripts/check-floors scripts/check-samples
TESTS += scripts/check-docs scripts/check-floors scripts/check-samples

EXTRA_DIST += .ci/run .clang-format .editorconfig certs/README.md scripts/certbot-deploy-hook scripts/check scripts/common.sh scripts/make-certs scripts/quickstart
