#!/bin/sh
# Builds the application of ../zishang with version 3 of the library: the calls that it makes are the same.
set -eu
cd "$(dirname "$0")"
for source in ../zishang/*.go; do
  sed 's,github.com/zishang520/socket.io/v2/socket,github.com/zishang520/socket.io/servers/socket/v3,' "$source" > "$(basename "$source")"
done
go build -o zishang3 .
