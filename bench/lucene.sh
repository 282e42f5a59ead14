#!/bin/sh
# Fetches Lucene from Debian and compiles its monitor module, which Debian does not package, into DIR, for
# `bench match --lucene DIR`. Needs apt and its network; root only where no JDK is installed yet.
set -eu

fail() {
    echo "lucene.sh: $*" >&2
    exit 1
}

[ $# -eq 1 ] || fail "usage: lucene.sh DIR"
mkdir -p "$1"
dir=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt downloads as a user of its own
cd "$work"

if ! command -v javac >/dev/null; then
    apt-get update -q
    apt-get install -q -y --no-install-recommends default-jdk-headless ||
        fail "cannot install a JDK"
fi

# apt's own list of sources, with Debian's source packages switched on, kept apart from the
# system's so that nothing outside DIR changes.
eval "$(apt-config shell list Dir::Etc::SourceList/f parts Dir::Etc::SourceParts/d)"
mkdir -p parts lists/partial cache/archives/partial source
for file in "$list" "$parts"*.list "$parts"*.sources; do
    [ -f "$file" ] || continue
    case $file in
    *.sources) sed 's/^Types:.*/Types: deb deb-src/' "$file" ;;
    *) sed -n 's/^deb\([ \t].*\)/deb\1\ndeb-src\1/p' "$file" ;;
    esac >"parts/$(basename "$file")"
done
apt() {
    apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/parts" \
        -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" "$@"
}
apt update || fail "apt-get update failed"

apt download liblucene8-java || fail "cannot fetch the package liblucene8-java"
dpkg-deb -x liblucene8-java_*.deb package
version=$(dpkg-deb -f liblucene8-java_*.deb Version)

# The same version's source. Only upstream's tar is needed, and mirrors may lack the other parts.
cd source
apt source --tar-only "lucene8=$version" || fail "cannot fetch the source of lucene8 $version"
tar -xf lucene8_*.orig.tar.* --wildcards '*/monitor/src/java/*.java' ||
    fail "no monitor module in the source of lucene8 $version"
cd ..

# The jars' names may tell another version than the package's; their manifests don't.
rm -rf "$dir/classes" "$dir"/lucene-*.jar
for jar in core memory analyzers-common; do
    cp package/usr/share/java/lucene-$jar-[0-9]*.jar "$dir" ||
        fail "no lucene-$jar in liblucene8-java $version"
done
mkdir "$dir/classes"
find source -name '*.java' -exec javac -nowarn -encoding UTF-8 -cp "$dir/*" -d "$dir/classes" {} + ||
    fail "the monitor module does not compile"
echo "Lucene Monitor $version is in $dir"
