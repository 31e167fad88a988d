#!/bin/sh
# What apk 2.14 does and says where a mirror is good or bad, for tests on systems that have no apk: `update`, `add NAME...`.
# It asks for what apk asks for, in its order, and ends with its statuses; it verifies and installs nothing but a note.
# APK_ROOT is the root; APK_SAID gets a line for each request.
root=${APK_ROOT:-}
arch=$(head -n 1 "$root/etc/apk/arch")
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
trap 'exit 1' INT TERM

fetch() {  # URL FILE
  [ -z "${APK_SAID:-}" ] || echo "$1" >>"$APK_SAID"
  wget -q -U "${HTTP_USER_AGENT:-libfetch/2.0}" -T "${APK_TIMEOUT:-60}" -O "$2" "$1" 2>/dev/null
}

command=
names=
for word; do
  case $word in
    -*) ;;
    *) if [ -z "$command" ]; then command=$word; else names="$names $word"; fi ;;
  esac
done

number=0
missing=0
sed -e 's/^@[^ ]* *//' -e '/^#/d' -e '/^$/d' "$root/etc/apk/repositories" >"$here/lines"
while read -r url; do
  number=$((number + 1))
  if fetch "$url/$arch/APKINDEX.tar.gz" "$here/index" && gunzip -c "$here/index" 2>/dev/null | tar -xO -f - APKINDEX >"$here/index.$number" 2>/dev/null; then
    echo "$url" >"$here/url.$number"
  else
    missing=$((missing + 1))
    echo "WARNING: Ignoring $url: network error (check Internet connection and firewall)" >&2
  fi
done <"$here/lines"
if [ "$command" = update ]; then
  echo "$missing unavailable, 0 stale; 0 distinct packages available"
  exit $((2 * missing))
fi

status=0
for name in $names; do
  found=
  for number in 1 2 3 4 5 6 7 8; do
    [ -f "$here/url.$number" ] || continue
    version=$(awk -v name="P:$name" '$0 == name { here = 1 } here && /^V:/ { print substr($0, 3); exit } /^$/ { here = 0 }' "$here/index.$number")
    [ -n "$version" ] || continue
    found=yes
    echo "(1/1) Installing $name ($version)"
    if fetch "$(cat "$here/url.$number")/$arch/$name-$version.apk" "$here/package"; then
      echo "$name" >>"$root/etc/apk/world"
    else
      echo "ERROR: $name-$version: network error (check Internet connection and firewall)" >&2
      status=1
    fi
    break
  done
  if [ -z "$found" ]; then
    printf 'ERROR: unable to select packages:\n  %s (no such package):\n    required by: world[%s]\n' "$name" "$name" >&2
    status=1
  fi
done
[ $status = 0 ] && echo "OK: 8 MiB in 15 packages"
exit $status
