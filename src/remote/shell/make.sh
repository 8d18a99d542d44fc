# shellcheck shell=sh disable=SC2046,SC2012,SC2034
# Makes the place for executables, lists it, and tells the digests of those that are asked for. It is
# put behind way.sh.
# Given: state directory, directory not to be without, login user, their own group, role, names.
#
# Whoever rules over the place rules over us: it is looked at before anything is made, so that
# nothing is made through a link, and once more after something was made. For root, that is the whole
# way there. A digest, the longest part, is kept beside its file and counts as long as the file's
# inode, size and times are the same; nobody can set the time of a file's last change.
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
all() {
    if [ "$role" = root ]; then
        way "$state/bin";
    else
        for place in "$state" "$state/bin"; do
            safe "$place";
            if [ -L "$place" ]; then safe "$place/."; fi;
        done;
    fi;
};

set -f;
all;
if ! [ -d "$state/bin" ]; then mkdir -p "$state/bin" && all || exit 1; fi;
chmod 700 "$state" && test -w "$state/bin" && ls -tln "$state/bin" || exit 1;
cd "$state/bin" || exit 1;
for name; do
    if [ -e "$name" ]; then
        safe "$state/bin/$name";
        if [ -L "$name" ]; then odd stranger "$state/bin/$name"; fi;
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
