# shellcheck shell=sh disable=SC2046,SC2012
# Makes the place for executables, lists it, and tells the digests of those that are asked for.
# Given: state directory, directory not to be without, login user, their own group, role, names.
#
# Whoever rules over the place rules over us: it is looked at before anything is made, so that
# nothing is made through a link, and once more after something was made. A digest, the longest part,
# is kept beside its file and counts as long as the file's inode, size and times are the same; nobody
# can set the time of a file's last change.
state=$1;
user=$3;
group=$4;
role=$5;
if [ -n "$2" ] && ! [ -d "$2" ]; then exit 9; fi;
shift 5;

odd() {
    set -- "$1" "$2" $(ls -ld "$2" 2>/dev/null);
    echo "unsafe $1 ${5:-nobody} $2";
    exit 8;
};
safe() {
    [ -e "$1" ] || [ -L "$1" ] || return 0;
    links=-d;
    if [ -L "$1" ]; then links="-d -dL"; fi;
    for links in $links; do
        set -- "$1" $(ls -ln "$links" "$1" 2>/dev/null);
        case $4 in
            0|"$user") ;;
            *) odd stranger "$1" ;;
        esac;
        case $2 in
            l*) continue ;;
        esac;
        case $2 in
            ????????w[!tT]*) odd writable "$1" ;;
            ?????w???[!tT]*) [ "$5" = 0 ] || [ "$5" = "$group" ] || odd writable "$1" ;;
        esac;
    done;
};
all() {
    if [ "$role" = root ]; then safe "$(dirname "$state")"; fi;
    safe "$state";
    safe "$state/bin";
};

set -f;
all;
if ! [ -d "$state/bin" ]; then mkdir -p "$state/bin" && all || exit 1; fi;
chmod 700 "$state" && test -w "$state/bin" && ls -tln "$state/bin" || exit 1;
cd "$state/bin" || exit 1;
for name; do
    if [ -e "$name" ]; then
        safe "$state/bin/$name";
        now=$(stat -c "%i %s %y %z" "$name" 2>/dev/null);
        seen=;
        sum=;
        if [ -f ".seen-$name" ]; then
            { IFS= read -r sum; IFS= read -r seen; } < ".seen-$name";
        fi;
        if [ -z "$now" ] || [ "$now" != "$seen" ]; then
            sum=$(sha256sum < "$name");
            printf "%s\n%s\n" "$sum" "$now" > ".seen-$name";
        fi;
        echo "sum $sum";
    fi;
done 2>/dev/null
