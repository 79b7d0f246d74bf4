#!/bin/sh
# Debian package of edgecache, for this machine's Debian, architecture and Python:
#   deploy/debian/build.sh [FOLDER]        # writes FOLDER/edgecache_VERSION_ARCHITECTURE.deb; dist/
# It needs dpkg-deb, python3 and python3-venv. What it installs is an environment of its own under
# /usr/lib/edgecache: the wheels of requirements-image.lock, each by its hash, and this repository's.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
target=${1:-$repository/dist}
python=/usr/bin/python3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

# The wheels, and ours.
"$python" -m venv "$work/tools"
pip="$work/tools/bin/pip --disable-pip-version-check --quiet"
$pip download --require-hashes --no-deps --only-binary :all: --dest "$work/wheels" \
  --requirement "$repository/requirements-image.lock"
$pip install --no-index --find-links "$work/wheels" hatchling
$pip wheel --no-index --no-deps --no-build-isolation --wheel-dir "$work/package" "$repository"
wheel=$(echo "$work"/package/*.whl)
version=$(basename "$wheel" | cut -d- -f2)

# The environment, as it is once it lies in its place: paths, and compiled beforehand, since who
# runs it may not write there.
tree=$work/tree
library=$tree/usr/lib/edgecache
mkdir -p "$tree/usr/lib"
"$python" -m venv --without-pip "$library"
$pip --python "$library" install --no-index --find-links "$work/wheels" --no-compile \
  "${wheel}[dns,functions,http3,postgresql]"
rm -f "$library"/bin/[Aa]ctivate* "$library"/lib/python3.*/site-packages/edgecache-*/direct_url.json
sed -i '/direct_url.json/d' "$library"/lib/python3.*/site-packages/edgecache-*/RECORD
grep -rlIF "$tree" "$library" | xargs -r sed -i "s|$tree||g"
"$python" -m compileall -q -s "$tree" -p / --invalidation-mode unchecked-hash "$library/lib"

# Program, unit, configuration, documents.
mkdir -p "$tree/usr/bin" "$tree/usr/lib/systemd/system" "$tree/etc/edgecache" \
  "$tree/usr/share/doc/edgecache" "$tree/DEBIAN"
ln -s ../lib/edgecache/bin/edgecache "$tree/usr/bin/edgecache"
sed -e '/^\[Unit\]/,$!d' \
  -e 's|^ExecStart=/usr/bin/env edgecache |ExecStart=/usr/bin/edgecache |' \
  -e 's|^# Nobody in particular, made for as long as it runs; |# A user of its own; |' \
  -e 's|^DynamicUser=yes|User=edgecache\nGroup=edgecache|' \
  "$repository/config/edgecache.service" > "$tree/usr/lib/systemd/system/edgecache.service"
export PYTHONDONTWRITEBYTECODE=1
(cd "$tree/etc/edgecache" && "$library/bin/python" -m edgecache init \
  --origin https://origin.example.com --state-dir /var/lib/edgecache > /dev/null)
"$library/bin/python" -m edgecache man "$tree/usr/share/man" > /dev/null
find "$tree/usr/share/man" -type f -exec gzip -9n {} +
cp -R "$repository/examples" "$tree/usr/share/doc/edgecache/examples"
cp "$repository/LICENSE" "$tree/usr/share/doc/edgecache/copyright"
gzip -9n < "$repository/CHANGELOG.md" > "$tree/usr/share/doc/edgecache/changelog.gz"

# What dpkg reads. Compiled wheels are of one minor version of Python.
minor=$("$python" -c 'import sys; print(sys.version_info.minor)')
cat > "$tree/DEBIAN/control" <<CONTROL
Package: edgecache
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: the edgecache authors <nobody@edgecache.example>
Section: httpd
Priority: optional
Installed-Size: $(du -sk "$tree" | cut -f1)
Depends: python3 (>= 3.$minor), python3 (<< 3.$((minor + 1))~), libc6, passwd
Description: content delivery network one person can run
 Edge locations, a regional cache and control with CloudFront's model and API,
 for one machine or many.
CONTROL
echo /etc/edgecache/edgecache.toml > "$tree/DEBIAN/conffiles"
for script in postinst prerm postrm; do
  install -m 0755 "$here/$script" "$tree/DEBIAN/$script"
done

mkdir -p "$target"
dpkg-deb --root-owner-group -Zzstd --build "$tree" "$target" > /dev/null
echo "$target/edgecache_${version}_$(dpkg --print-architecture).deb"
