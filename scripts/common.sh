# shellcheck shell=bash
# common.sh: what quickstart and check share. Sourced, never run.

say()
{
    printf '%s\n' "$*"
}

# die MESSAGE…: the one clear line of a failure, on stderr.
die()
{
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

is_installed()
{
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# as_root COMMAND…: runs it as root, through sudo only where that is needed.
as_root()
{
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

can_be_root()
{
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null
}

# Debian starts a service as soon as its package is installed. The guard says no to that while we
# install; one that is already there is somebody's decision and stays as it is.
service_guard=/usr/sbin/policy-rc.d
service_guard_mark="# put here by muxgate's scripts while they install packages"

guard_services()
{
    if [ ! -e "$service_guard" ]; then
        printf '#!/bin/sh\n%s\nexit 101\n' "$service_guard_mark" |
            as_root tee "$service_guard" >/dev/null &&
            as_root chmod 755 "$service_guard"
    fi
}

unguard_services()
{
    if grep -qsF "$service_guard_mark" "$service_guard"; then
        as_root rm -f "$service_guard"
    fi
}

# install_missing LOG PACKAGE…: installs those that are not there; does nothing when all are.
install_missing()
{
    local log=$1 package status
    local missing=()
    shift
    command -v dpkg-query >/dev/null || {
        say "not a Debian system: make sure that you have the counterparts of: $*"
        return 0
    }
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    can_be_root || die "these packages are missing, and there is no sudo to install them: ${missing[*]}"

    say "installing: ${missing[*]}"
    guard_services
    run_apt "${missing[@]}" >"$log" 2>&1 </dev/null
    status=$?
    unguard_services
    if [ $status -ne 0 ]; then
        tail -n 15 "$log" >&2
        die "apt-get could not install: ${missing[*]} (all of it: $log)"
    fi
}

run_apt()
{
    local options=(-o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" update &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" \
            install -y --no-install-recommends "$@"
}

# prepare_configure SOURCE: makes ./configure where it is missing or older than what it is made from.
prepare_configure()
{
    local source=$1
    if [ ! -x "$source/configure" ] || [ ! -e "$source/Makefile.in" ] || [ ! -d "$source/build-aux" ] ||
        [ -n "$(find "$source/configure.ac" "$source/m4" -name '*.[am]*' -newer "$source/configure")" ]; then
        (cd "$source" && autoreconf -fi)
    fi
}
