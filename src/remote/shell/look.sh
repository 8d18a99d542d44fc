# shellcheck shell=sh disable=SC2154,SC2086,SC2046
# What a server is, as whom an agent would act there, and the place for its executables, told in
# lines of `landfall: …`. Set before: state, without, mode, archs, names, and script, which is make.sh.
umask 077;
LC_ALL=C;
export LC_ALL;
say() { printf "landfall: %s\n" "$*"; };

set -- $(uname -sm);
system=$1;
machine=$2;
ids=$(id);
uid=${ids#uid=};
uid=${uid%%[!0-9]*};
name=${ids%% *};
case $name in
    *"("*) name=${name#*"("}; name=${name%")"} ;;
    *) name=$uid ;;
esac;
# A group of the user's own is no other.
ids=${ids#* gid=};
group=${ids%%[!0-9]*};
case $ids in
    "$group($name)"*) ;;
    *) group=none ;;
esac;
say system "$system";
say machine "$machine";
say user "$uid" "$name";
say group "$group";
if [ "$system" != Linux ]; then exit 0; fi;
case " $archs " in
    *" $machine "*) ;;
    *) exit 0 ;;
esac;

as=;
role=user;
need=no;
made=;
code=1;
make() {
    made=$($as sh -c "$script" sh "$state" "$without" "$uid" "$group" "$role" $names 2>&1);
    code=$?;
};
if [ "$mode" = always ]; then need=yes; fi;
if [ "$mode" = auto ] && [ -z "$own" ] && [ -S /var/run/docker.sock ] && ! [ -w /var/run/docker.sock ]; then need=yes; fi;
if [ "$uid" = 0 ]; then role=root; need=no; mode=never; fi;
if [ $need = no ]; then
    make;
    if [ $code != 0 ] && [ "$mode" = auto ]; then need=yes; fi;
fi;
if [ $need = yes ]; then
    if sudo -n true 2>/dev/null; then
        say sudo yes;
        as="sudo -n --";
        role=root;
        make;
    else
        say sudo no;
        if [ "$mode" = auto ] && [ -z "$made" ]; then make; fi;
    fi;
fi;
say place "$code";
printf "%s\n" "$made" | while IFS= read -r line; do say made "$line"; done
