# completions: what shells know of muxgatectl. Installed where bash-completion and zsh look.
bash_completiondir = $(datadir)/bash-completion/completions
zsh_completiondir = $(datadir)/zsh/site-functions
dist_zsh_completion_DATA = completions/_muxgatectl
EXTRA_DIST += completions/muxgatectl.bash

# bash-completion goes by the name of the program.
install-data-hook: install-bash-completion
uninstall-hook: uninstall-bash-completion
install-bash-completion:
	$(MKDIR_P) '$(DESTDIR)$(bash_completiondir)'
	$(INSTALL_DATA) '$(srcdir)/completions/muxgatectl.bash' '$(DESTDIR)$(bash_completiondir)/muxgatectl'
uninstall-bash-completion:
	rm -f '$(DESTDIR)$(bash_completiondir)/muxgatectl'
