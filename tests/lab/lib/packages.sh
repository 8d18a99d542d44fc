# shellcheck shell=bash
# What the laboratory needs from Debian. It refuses to know which mirror is
# used: apt's own sources say that. What is there already is left as it is.

# command=package, in the order in which they are looked for.
LAB_TOOLS=(
    dockerd=docker.io docker=docker.io iptables=iptables ssh=openssh-client
    debootstrap=debootstrap skopeo=skopeo ss=iproute2 curl=curl jq=jq
    python3=python3 strace=strace shellcheck=shellcheck setsid=util-linux
    nsenter=util-linux pkill=procps sshd=openssh-server
)

packages_missing() {
    local pair
    for pair in "${LAB_TOOLS[@]}"; do
        [[ $pair == dockerd=* ]] && engine_answers && continue
        command -v "${pair%%=*}" >/dev/null || echo "${pair#*=}"
    done | sort -u
}

packages_ensure() {
    local missing log=$LAB_STATE/apt.log
    mapfile -t missing < <(packages_missing)
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null ||
        die "these are missing and there is no apt to install them: ${missing[*]}; install them by hand"
    say "installing ${missing[*]}"
    apt-get update >"$log" 2>&1 ||
        die "'apt-get update' failed, so nothing can be installed; see $log"
    packages_hush "${missing[@]}"
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1 ||
        die "apt could not install ${missing[*]}; see $log"
}

# packages_hush PACKAGE...: the tests start sshd for themselves. A machine that
# had none is not to listen on port 22 from now on; unmask it to have one.
packages_hush() {
    [[ " $* " == *" openssh-server "* ]] || return 0
    ! command -v systemctl >/dev/null || systemctl mask --quiet ssh.service ssh.socket || true
}

# packages_mirror: the Debian mirror that this machine's apt uses, if any.
packages_mirror() {
    # shellcheck disable=SC2016 # apt fills that in
    apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' \
        2>/dev/null | sort -u | head -n 1
}
