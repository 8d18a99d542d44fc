# shellcheck shell=bash
# The images of servers and registries, built again only when what they are
# made from has changed. It refuses to know how they are run.

images_ensure() {
    images_current landfall-lab/server:main "$(images_hash server)" &&
        images_current landfall-lab/server:newest "$(images_hash server)" &&
        images_current landfall-lab/server:compose1 "$(images_hash server)" &&
        images_current landfall-lab/registry "$(images_hash registry)" && return
    base_ensure
    images_build landfall-lab/compose "$LAB_HOME/images/compose"
    images_server main plugin
    images_build landfall-lab/registry "$LAB_HOME/images/registry"
    images_server newest bare --build-arg BASE=landfall-lab/trixie --build-arg SUITE=forky \
        --build-arg "DOCKER=docker.io docker-cli docker-compose" --build-arg IPV6_ANYWHERE=1
    images_server compose1 bare --build-arg "DOCKER=docker.io docker-compose"
}

images_server() {
    local variant=$1 target=$2
    shift 2
    images_build "landfall-lab/server:$variant" "$LAB_HOME/images/server" --target "$target" "$@"
}

# Made only for a slot that wants it.
images_systemd() { images_build landfall-lab/server:systemd "$LAB_HOME/images/systemd"; }

images_hash() { source_hash "$LAB_HOME/images/$1"; }

images_current() {
    [[ $(docker image inspect --format '{{index .Config.Labels "landfall.lab.source"}}' "$1" 2>/dev/null) == "$2" ]]
}

# images_build NAME FOLDER [OPTION…]
images_build() {
    local name=$1 folder=$2 hash log
    shift 2
    hash=$(source_hash "$folder")
    images_current "$name" "$hash" && return
    say "building $name"
    log=$LAB_STATE/build-${name##*/}.log
    images_builder
    docker build --label "landfall.lab.source=$hash" -t "$name" "$@" "$folder" >"$log" 2>&1 ||
        die "$name could not be built: $(tail -n 1 "$log"); see $log"
}

# Without the buildx plugin, only the classic builder works.
images_builder() {
    docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0
}
