#!/usr/bin/env bash
# Unpacks the loader and the C library of a newer Debian into ./glibc, for µWebSockets.js,
# whose binary wants glibc 2.38, where the system's is older. Nothing on the system is changed.
set -euo pipefail
have=$(ldd --version | sed -n '1s/.* //p')
if [ "$(printf '%s\n' 2.38 "$have" | sort -V | sed -n 1p)" = 2.38 ]; then
  exit 0
fi
cd "$(dirname "${BASH_SOURCE[0]}")"
suite=trixie
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2> /dev/null | sed -nE 's,.*(https?://[^ ]+/debian)/?( .*)?$,\1,p' | sed -n 1p || true)
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$work/sources.list"
options=(-o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root)
apt-get "${options[@]}" update -qq
cd "$work"
apt-get "${options[@]}" download -qq libc6 libstdc++6 libgcc-s1 zlib1g
cd - > /dev/null
mkdir -p glibc
for deb in "$work"/*.deb; do dpkg-deb -x "$deb" glibc; done
