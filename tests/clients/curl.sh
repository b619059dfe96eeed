#!/usr/bin/env bash
# curl: protocol versions, trust, uploads of each kind, redirects. Ends at the first thing that is not as expected.
set -euo pipefail

http=http://localhost:$HTTP_PORT
https=https://localhost:$HTTPS_PORT
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Without the user's settings; where listeners are is an IPv4 address.
try() { curl -q --ipv4 --silent --show-error --max-time 30 "$@"; }
# The same, where a failure is none that is expected. Most calls stand where bash does not look at their status.
request() { try "$@" || echo "curl ended with $?: $*" >>"$work/failed"; }
secure() { request --cacert "$CA" "$@"; }

fail() {
    echo "curl.sh: $*" >&2
    exit 1
}

# is WHAT FOUND EXPECTED
is() {
    [ ! -s "$work/failed" ] || fail "$1: $(cat "$work/failed")"
    [ "$2" = "$3" ] || fail "$1: expected '$3', found '$2'"
}

# has WHAT TEXT PART
has() {
    [ ! -s "$work/failed" ] || fail "$1: $(cat "$work/failed")"
    [[ "$2" == *"$3"* ]] || fail "$1: expected '$3' in: $2"
}

# HTTP/1.0 closes after each answer, HTTP/1.1 does not, HTTP/2 comes by ALPN.
is "1.0" "$(request -0 -w ' %{http_code} %{num_connects};' "$http/fixed" "$http/fixed")" "fixed 200 1;fixed 200 1;"
is "1.1" "$(request --http1.1 -w ' %{http_version} %{num_connects};' "$http/fixed" "$http/fixed")" "fixed 1.1 1;fixed 1.1 0;"
is "1.1 by TLS" "$(secure --http1.1 -w ' %{http_version} %{num_connects};' "$https/fixed" "$https/fixed")" "fixed 1.1 1;fixed 1.1 0;"
is "2" "$(secure -w ' %{http_version} %{num_connects};' "$https/fixed" "$https/fixed")" "fixed 2 1;fixed 2 0;"
is "2 switched off" "$(secure -w ' %{http_version}' "https://localhost:$HTTP1_PORT/")" "plain 1.1"

# Trust: each certificate is signed by one authority and is for its own names.
status=0
try --cacert "$LOCAL_CA" "$https/fixed" >"$work/out" 2>&1 || status=$?
is "the other authority" "$status" 60
shop=https://shop.localhost:$HTTPS_PORT
at_shop=(--resolve "shop.localhost:$HTTPS_PORT:127.0.0.1" --cacert "$LOCAL_CA")
is "the named certificate" "$(request "${at_shop[@]}" "$shop/fixed")" fixed
status=0
try --cacert "$CA" --resolve "other.example:$HTTPS_PORT:127.0.0.1" "https://other.example:$HTTPS_PORT/fixed" >"$work/out" 2>&1 || status=$?
is "a name without certificate" "$status" 60
has "TLS 1.3" "$(secure -v "$https/fixed" 2>&1)" "SSL connection using TLSv1.3 / TLS_AES_128_GCM_SHA256"
has "TLS 1.2" "$(secure -v --tls-max 1.2 "$https/fixed" 2>&1)" "SSL connection using TLSv1.2 / ECDHE-RSA-AES128-GCM-SHA256"

# Uploads that ask first. The load balancer says yes at once, and refuses what turns out to be too large.
head -c 2000000 /dev/zero >"$work/large"
head -c 500000 /dev/zero >"$work/small"
upload=(-H 'Expect: 100-continue' -H 'Content-Type: application/octet-stream')
found=$(request "${upload[@]}" -v --data-binary "@$work/large" "$http/echo" 2>&1)
has "large" "$found" "< HTTP/1.1 100 Continue"
has "large" "$found" "< HTTP/1.1 413 Request Entity Too Large"
for version in --http1.1 --http2; do
    found=$(secure "$version" -w ' %{http_code}' --data-binary "@$work/large" "$https/echo")
    is "large without asking, $version" "${found##* }" 413
    # Answered before it is read, and the client comes to the answer all the same.
    is "large and fixed, $version" "$(secure "$version" -w ' %{http_code}' --data-binary "@$work/large" "$https/fixed")" "fixed 200"
    found=$(secure "$version" "${upload[@]}" -v --data-binary "@$work/small" "$https/echo" 2>&1)
    has "small, $version" "$found" '"body_bytes": 500000'
done
has "small" "$(request "${upload[@]}" -v --data-binary "@$work/small" "$http/echo" 2>&1)" "< HTTP/1.1 100 Continue"

# Uploads of unknown length.
found=$(printf 'from a pipe' | request -v -H 'Content-Type: text/plain' -T - "$http/piped" 2>&1)
has "chunks" "$found" "> Transfer-Encoding: chunked"
has "chunks" "$found" '"body": "from a pipe"'
has "chunks" "$found" '"httpMethod": "PUT"'
found=$(printf 'by HTTP/2' | secure -H 'Content-Type: text/plain' -T - "$https/piped")
has "frames" "$found" '"body": "by HTTP/2"'

# HEAD has the headers of GET and no body.
head=$(request --head -w '%{size_download}' "$http/fixed")
has "HEAD" "$head" $'Content-Length: 5\r\n'
is "HEAD" "${head##*$'\n'}" 0

# From HTTP to HTTPS.
found=$(secure -L -w ' %{http_code} %{num_redirects} %{url_effective}' "$http/secure/a?b=c")
has "redirect" "$found" '"path": "/secure/a"'
has "redirect" "$found" " 200 1 $https/secure/a?b=c"
is "post and redirect" "$(request -o "$work/out" -w '%{http_code} %{redirect_url}' -d a=b "$http/secure/a")" "302 $https/secure/a"

# A compressed answer, whose length is the one on the wire.
found=$(request --compressed -w '%{size_download}' "$http/gzip")
has "compressed" "$found" "packed packed "
[ "${found##* }" -lt 200 ] || fail "compressed: ${found##* } bytes on the wire"

# The connection is kept over answers of every kind.
is "kept" "$(request -o "$work/out" -w '%{http_code}/%{num_connects} ' "$http/fixed" -o "$work/out" "$http/status/204" -o "$work/out" "$http/status/404" -o "$work/out" "$http/moved")" \
    "200/1 204/0 404/0 301/0 "
