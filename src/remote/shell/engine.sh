# shellcheck shell=sh disable=SC2034
# Whether docker is told here to use another engine than the system's. That one needs no root, and
# through sudo another would answer. It is put before what asks for own.
own=$DOCKER_HOST;
if [ -z "$own" ]; then own=$DOCKER_CONTEXT; fi;
if [ -z "$own" ]; then
    own=$(sed -n "s/.*\"currentContext\"[^\"]*\"\([^\"]*\)\".*/\1/p" "${DOCKER_CONFIG:-$HOME/.docker}/config.json" 2>/dev/null);
fi;
case $own in
    default|unix:///var/run/docker.sock|unix:///run/docker.sock) own= ;;
esac;
