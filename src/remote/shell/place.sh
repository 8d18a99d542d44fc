# shellcheck shell=sh
# Takes an executable from standard input, and removes older ones once it is whole and in place.
# Given: directory, name, digest, names to remove.
umask 077;
cd "$1" || exit 1;
name=$2;
sum=$3;
shift 3;
new=.new-$$;
# The name is known by now. A single quote would be quoted once more than fish understands.
# shellcheck disable=SC2064
trap "rm -f $new" EXIT;
cat > $new || exit 1;
set -- "$(sha256sum $new | cut -c1-64)" "$@";
if [ "$1" != "$sum" ]; then
    echo "the copy arrived damaged" >&2;
    exit 1;
fi;
shift;
chmod 700 $new && { sync $new 2>/dev/null || :; } && mv -f $new "$name" || exit 1;
for old; do rm -f -- "$old" ".seen-$old"; done
