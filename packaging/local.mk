# packaging: what an installed muxgate is run by, beside the program itself.
if HAVE_SYSTEMD
systemdsystemunit_DATA = packaging/systemd/muxgate.service packaging/systemd/muxgate.socket
endif
logrotatedir = $(sysconfdir)/logrotate.d
dist_logrotate_DATA = packaging/logrotate/muxgate
packagingdocdir = $(docdir)/packaging
dist_packagingdoc_DATA = packaging/README.md packaging/Dockerfile
kubernetesdir = $(docdir)/packaging/kubernetes
dist_kubernetes_DATA = packaging/kubernetes/muxgate.yaml
CLEANFILES += packaging/systemd/muxgate.service
EXTRA_DIST += packaging/muxgate.json packaging/systemd/muxgate.socket packaging/systemd/muxgate.service.in
EXTRA_DIST += packaging/build packaging/Dockerfile.dockerignore
EXTRA_DIST += tests/package/run
EXTRA_DIST += debian/changelog debian/control debian/copyright debian/rules debian/source/format
EXTRA_DIST += debian/muxgate.postinst debian/muxgate.postrm

packaging/systemd/muxgate.service: packaging/systemd/muxgate.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) packaging/systemd && \
	sed -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
		$(srcdir)/packaging/systemd/muxgate.service.in >$@.new && mv $@.new $@

# The configuration is the operator's: what is there stays, and is removed only as it was put there.
muxgateconfdir = $(sysconfdir)/muxgate
install-data-local:
	$(MKDIR_P) $(DESTDIR)$(muxgateconfdir)
	test -e $(DESTDIR)$(muxgateconfdir)/muxgate.json || \
		$(INSTALL_DATA) $(srcdir)/packaging/muxgate.json $(DESTDIR)$(muxgateconfdir)/muxgate.json
uninstall-local:
	if cmp -s $(srcdir)/packaging/muxgate.json $(DESTDIR)$(muxgateconfdir)/muxgate.json; then \
		rm -f $(DESTDIR)$(muxgateconfdir)/muxgate.json; fi
