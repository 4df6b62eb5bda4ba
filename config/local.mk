# config: the sample configurations, each of which runs as it is (a test holds that).
# Installed in the shape of the source tree, so that the links between the documents hold.
exampledir = $(docdir)/config
dist_example_DATA = \
	config/README.md \
	config/fix-combined.json \
	config/muxgate.schema.json \
	config/passthrough-https.json \
	config/sni-passthrough.json \
	config/terminate.json \
	config/towards-tls.json
