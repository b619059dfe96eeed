#!/usr/bin/env bash
# `openssl s_client`: versions, ALPN, certificates by server name, resumption. Ends at the first surprise.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "openssl.sh: $*" >&2
    exit 1
}

# has WHAT TEXT PART
has() { [[ "$2" == *"$3"* ]] || fail "$1: expected '$3' in: $2"; }

# Asks for a page and reads it to the end: connect PORT ARGUMENTS. Session tickets come before the page.
connect() {
    local port=$1
    shift
    printf 'GET /fixed HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' |
        timeout 30 openssl s_client -connect "127.0.0.1:$port" -ign_eof -CAfile "$CA" "$@" 2>&1
}

# Looks at a handshake alone, for clients that ask for HTTP/2.
shake() {
    local port=$1
    shift
    timeout 30 openssl s_client -connect "127.0.0.1:$port" -CAfile "$CA" "$@" </dev/null 2>&1
}

# Versions. The cipher is the server's choice, whatever the client likes best.
found=$(connect "$HTTPS_PORT" -tls1_2 -servername localhost -verify_return_error -cipher ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256)
has "TLS 1.2" "$found" "New, TLSv1.2, Cipher is ECDHE-RSA-AES128-GCM-SHA256"
has "TLS 1.2" "$found" "Verify return code: 0 (ok)"
has "TLS 1.2" "$found" "HTTP/1.1 200 OK"
found=$(connect "$HTTPS_PORT" -tls1_3 -servername localhost -verify_return_error -ciphersuites TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256)
has "TLS 1.3" "$found" "New, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256"
has "TLS 1.3" "$found" "Verify return code: 0 (ok)"
has "TLS 1.3" "$found" "fixed"
if found=$(shake "$TLS13_PORT" -no_tls1_3 -servername localhost); then
    fail "TLS 1.2 under a policy of TLS 1.3: $found"
fi
has "TLS 1.2 under a policy of TLS 1.3" "$found" "alert protocol version"
has "TLS 1.3 under its policy" "$(shake "$TLS13_PORT" -servername localhost)" "New, TLSv1.3"
if found=$(shake "$HTTPS_PORT" -tls1_1 -servername localhost -cipher DEFAULT@SECLEVEL=0); then
    fail "TLS 1.1: $found"
fi

# ALPN: HTTP/2 first, if the listener has it.
has "h2" "$(shake "$HTTPS_PORT" -alpn h2)" "ALPN protocol: h2"
has "both" "$(shake "$HTTPS_PORT" -alpn http/1.1,h2)" "ALPN protocol: h2"
has "http/1.1" "$(shake "$HTTPS_PORT" -alpn http/1.1)" "ALPN protocol: http/1.1"
has "h2 switched off" "$(shake "$HTTP1_PORT" -alpn h2,http/1.1)" "ALPN protocol: http/1.1"
has "no ALPN" "$(shake "$HTTPS_PORT")" "No ALPN negotiated"

# Certificates by server name; without a known one, the default.
found=$(shake "$HTTPS_PORT" -servername shop.localhost -verify_hostname shop.localhost -verify_return_error -CAfile "$LOCAL_CA")
has "named" "$found" "Verify return code: 0 (ok)"
has "named" "$found" "ECDSA"
for name in "-servername unknown.example" "-servername localhost" "-noservername"; do
    # shellcheck disable=SC2086 # two words
    has "default for $name" "$(shake "$HTTPS_PORT" $name)" "subject=CN = rsa.localhost"
done

# Resumption, with tickets of both versions.
has "reconnect" "$(shake "$HTTPS_PORT" -tls1_2 -reconnect -servername localhost)" "Reused, TLSv1.2"
for version in -tls1_2 -tls1_3; do
    session=$work/session$version
    has "first, $version" "$(connect "$HTTPS_PORT" "$version" -servername localhost -sess_out "$session")" "New, "
    found=$(connect "$HTTPS_PORT" "$version" -servername localhost -sess_in "$session")
    has "resumed, $version" "$found" "Reused, "
    has "resumed, $version" "$found" "fixed"
done
