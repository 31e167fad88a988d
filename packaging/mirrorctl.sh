#!/bin/sh
# Starts the bundle from wherever it lies, with the C library that it brings, so the system's may be older, or another.
case $0 in
    */*) self=$0 ;;
    *) self=./$0 ;;
esac
[ ! -L "$self" ] || self=$(readlink -f "$self")
lib=${self%/*}/lib
for loader in "$lib"/ld-musl-*.so.1; do
    exec "$loader" --library-path "$lib" "$lib/mirrorctl.bin" "$@"
done
