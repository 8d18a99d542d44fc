# shellcheck shell=bash
# The images that everything else is made from. They are pulled where that
# is possible; elsewhere Debian's own packages and this machine's Rust
# toolchain make images that go by the same names.

base_exists() { docker image inspect "$1" >/dev/null 2>&1; }

# base_pull IMAGE: succeeds if it is here afterwards. One refusal is
# enough to not ask again during this run.
base_pull() {
    [[ -z ${LAB_NO_PULL:-} ]] || return 1
    timeout 300 docker pull -q "$1" >/dev/null 2>>"$LAB_STATE/pull.log" && return
    LAB_NO_PULL=1
    return 1
}

base_ensure() {
    base_debian bookworm debian:bookworm-slim debian:bookworm-slim
    base_debian trixie debian:trixie-slim landfall-lab/trixie
}

# base_debian SUITE PUBLIC-NAME NAME
base_debian() {
    base_exists "$3" && return
    if base_pull "$2"; then
        docker tag "$2" "$3"
    else
        base_bootstrap "$1" "$3"
    fi
}

base_bootstrap() {
    local suite=$1 name=$2 root=$LAB_STATE/root-$1 log=$LAB_STATE/debootstrap-$1.log
    say "$name cannot be pulled; making it with debootstrap"
    rm -rf "$root"
    # shellcheck disable=SC2046 # no mirror means no argument
    debootstrap --variant=minbase "$suite" "$root" $(packages_mirror) >"$log" 2>&1 ||
        die "debootstrap could not make $name: $(tail -n 1 "$log"); see $log"
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* \
        "$root"/usr/share/{doc,man,locale}/*
    tar -C "$root" -c . | docker import --change 'CMD ["bash"]' - "$name" >/dev/null
    rm -rf "$root"
}

base_rust() {
    local name=rust:1-slim-bookworm
    base_exists "$name" || base_pull "$name" || base_rust_from_here "$name"
}

base_rust_from_here() {
    command -v rustc >/dev/null ||
        die "$1 cannot be pulled and there is no Rust toolchain here to make it from; install one with rustup"
    say "$1 cannot be pulled; making it from this machine's toolchain"
    local container
    images_build landfall-lab/rust-base "$LAB_HOME/images/rust"
    container=$(docker create landfall-lab/rust-base)
    base_rust_tar | docker cp - "$container:/"
    # Behind a proxy that signs for itself, only this machine's own bundle will do.
    docker cp -L /etc/ssl/certs/ca-certificates.crt "$container:/etc/ssl/certs/ca-certificates.crt" 2>/dev/null || true
    docker commit "$container" "$1" >/dev/null
    docker rm "$container" >/dev/null
}

# The toolchain as it lies in the official image, less its documentation.
base_rust_tar() {
    tar -C "$(rustc --print sysroot)" -c --owner=0 --group=0 --exclude=./share/doc \
        --transform 's,^\.,usr/local/rustup/toolchains/here,' .
}
