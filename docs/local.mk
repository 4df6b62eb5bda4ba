# docs: documents and manual pages. Installed in the shape of the source tree, so that links hold.
dist_man1_MANS = man/muxgatectl.1
dist_man8_MANS = man/muxgate.8
dist_man5_MANS = man/muxgate.json.5

dist_doc_DATA = README.md README LICENSE
docsdir = $(docdir)/docs
dist_docs_DATA = docs/ARCHITECTURE.md docs/CHOICES.md docs/PERFORMANCE.md docs/SECURITY.md
referencedir = $(docdir)/docs/reference
dist_reference_DATA = docs/reference/admin.md docs/reference/metrics.md docs/reference/command-line.md docs/reference/ledger.md docs/reference/configuration.md docs/reference/log.md
recipesdir = $(docdir)/docs/recipes
dist_recipes_DATA = docs/recipes/README.md docs/recipes/behind-a-load-balancer.md \
	docs/recipes/from-haproxy.md docs/recipes/from-nginx.md docs/recipes/from-sslh.md \
	docs/recipes/from-stunnel.md docs/recipes/lets-encrypt.md docs/recipes/plain-ends.md docs/recipes/postgresql.md \
	docs/recipes/ssh-and-https.md docs/recipes/tls-to-servers.md docs/recipes/transparent.md
