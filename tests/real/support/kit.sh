# Sourced by the scripts that need the real model server or real clients: puts what is missing on the machine.
# Sets KIT_PYTHON. The packages stay outside the repository, so that the next run has them.

kit_files=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Debian packages; as root, or where sudo asks no password.
install_packages() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# A virtual environment named after what is pinned in it: other pins make another one. The file
# `complete` comes last, so that an interrupted install is never taken for a finished one.
ensure_python_kit() {
    local folder pins kit
    folder=${LMDECK_KIT:-${XDG_CACHE_HOME:-$HOME/.cache}/lmdeck-real}
    pins=$(cat "$kit_files/servers.txt" "$kit_files/clients.txt" | sha256sum | cut -c1-12)
    kit=$folder/$pins
    KIT_PYTHON=$kit/bin/python
    if [ -x "$KIT_PYTHON" ] && [ -e "$kit/complete" ]; then return; fi
    printf '%s\n' "-- installing the model server and the clients (about 450 MB, once)"
    rm -rf "$kit"
    mkdir -p "$folder"
    if ! python3 -c 'import ensurepip' 2>/dev/null; then install_packages python3-venv; fi
    python3 -m venv "$kit"
    "$KIT_PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps -r "$kit_files/servers.txt"
    "$KIT_PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps -r "$kit_files/clients.txt"
    touch "$kit/complete"
}

# A mock server that needs Node.js, which is not installed for it: its checks say so where it is missing.
# Sets KIT_AIMOCK, empty when there is none.
AIMOCK=@copilotkit/aimock@1.43.0
ensure_aimock() {
    KIT_AIMOCK=
    command -v node >/dev/null && command -v npm >/dev/null || return 0
    node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 15) ? 0 : 1)' || return 0
    local folder=${LMDECK_KIT:-${XDG_CACHE_HOME:-$HOME/.cache}/lmdeck-real}/${AIMOCK//[^a-z0-9.]/-}
    if [ ! -e "$folder/complete" ]; then
        printf '%s\n' "-- installing the mock server $AIMOCK"
        rm -rf "$folder"
        mkdir -p "$folder"
        npm install --prefix "$folder" --no-save --no-audit --no-fund --ignore-scripts --loglevel=error "$AIMOCK" >/dev/null
        touch "$folder/complete"
    fi
    KIT_AIMOCK=$folder/node_modules/.bin/llmock
}
