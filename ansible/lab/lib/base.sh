#!/bin/bash
# One part of the base tree: base.py runs it with what goes in as environment variables. The network is the machine's.
set -euo pipefail
exec >>"$LOG" 2>&1

# Runs a program inside the tree. Whatever it leaves running ends with it.
inside() {
    unshare --mount --pid --fork --kill-child bash -euc '
        mount -t proc proc "$0/proc"
        mount --rbind /dev "$0/dev"
        exec chroot "$0" "$@"' "$DRAFT" "$@"
}

debian() {
    debootstrap --variant=minbase "$SUITE" "$DRAFT" "$MIRROR"
}

packages() {
    printf '%s\n' "deb $MIRROR $SUITE main" "deb $MIRROR $SUITE-updates main" "deb $SECURITY $SUITE-security main" \
        >"$DRAFT/etc/apt/sources.list"
    # Manuals and translations are of no use here; a lost disk is built anew.
    printf '%s\n' force-unsafe-io 'path-exclude=/usr/share/man/*' 'path-exclude=/usr/share/locale/*' \
        'path-exclude=/usr/share/doc/*' 'path-include=/usr/share/doc/*/copyright' >"$DRAFT/etc/dpkg/dpkg.cfg.d/lab"
    printf '%s\n' 'Acquire::Languages "none";' 'APT::Install-Recommends "false";' >"$DRAFT/etc/apt/apt.conf.d/90lab"
    cat /etc/resolv.conf >"$DRAFT/etc/resolv.conf"
    printf '#!/bin/sh\nexit 101\n' >"$DRAFT/usr/sbin/policy-rc.d"
    chmod 755 "$DRAFT/usr/sbin/policy-rc.d"
    inside apt-get update -q
    inside env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $SYSTEM $SHARED
    inside apt-get clean
    # Authorities that this machine trusts besides Debian's: a network may look into TLS.
    if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
        cp /usr/local/share/ca-certificates/*.crt "$DRAFT/usr/local/share/ca-certificates/"
        inside update-ca-certificates
    fi
    rm "$DRAFT/usr/sbin/policy-rc.d"
}

secantusdb() {
    inside python3 -m venv /opt/secantusdb
    inside /opt/secantusdb/bin/pip install -q --no-cache-dir --disable-pip-version-check --only-binary :all: "$SECANTUS"
    test -x "$DRAFT/opt/secantusdb/bin/secantusd-py"
}

finish() {
    systemctl --root="$DRAFT" disable $DISABLED || true
    systemctl --root="$DRAFT" mask $MASKED
    # The role of MariaDB sets lower_case_table_names, which has to be there before the first start.
    find "$DRAFT/var/lib/mysql" -mindepth 1 -delete
    # Each host has its own.
    rm -f "$DRAFT"/etc/ssh/ssh_host_* "$DRAFT/etc/machine-id" "$DRAFT/var/lib/dbus/machine-id" "$DRAFT/etc/hostname"
    inside useradd --create-home --shell /bin/bash "$ADMIN"
    echo "$ADMIN ALL=(ALL) NOPASSWD: ALL" >"$DRAFT/etc/sudoers.d/90-$ADMIN"
    chmod 440 "$DRAFT/etc/sudoers.d/90-$ADMIN"
    install -d -m 700 -o 1000 -g 1000 "$DRAFT/home/$ADMIN/.ssh"
}

"$1"
