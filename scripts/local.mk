# scripts: the checks that are part of `make check`, and the tools that travel with the tarball.
dist_check_SCRIPTS += scripts/check-floors
TESTS += scripts/check-floors

EXTRA_DIST += .ci/run certs/README.md scripts/check scripts/check-docs scripts/check-samples scripts/common.sh scripts/make-certs scripts/quickstart
