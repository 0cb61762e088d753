#!/bin/sh
# Runs Node with the C library in ./glibc where the system's is too old for µWebSockets.js.
cd "$(dirname "$0")" || exit 1
if [ -d glibc ]; then
  lib="$PWD/glibc/usr/lib/$(uname -m)-linux-gnu"
  exec "$lib"/ld-linux-*.so.? --library-path "$lib" "$(command -v node)" server.mjs
fi
exec node server.mjs
