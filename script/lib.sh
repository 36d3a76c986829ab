# shellcheck shell=bash
# What script/demo, script/test and script/bench share; source it, it does nothing by itself.
# Everything is done once and skipped when it is there already. A failure is one line and exit 3.
#
#   set_up EXTRAS     all of it, in order; EXTRAS as for pip, like "lab" or "lab,dev".
#                     Afterwards $VENV/bin/mmscand works. Needs root.
#
# and its parts:
#   require_root      ends the script unless it runs as root
#   find_python       sets PYTHON to the oldest interpreter here that is new enough
#   ensure_packages   installs those of the Debian packages named that are missing
#   ensure_postgresql installs PostgreSQL's programs for the lab, and starts no server
#   ensure_prometheus unpacks prometheus and promtool into .venv/bin, and installs nothing
#   host_packages     prints the Debian packages that the lab needs
#   make_venv EXTRAS  makes .venv, and installs mmscand with these extras

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv
export DEBIAN_FRONTEND=noninteractive
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

say() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

fail() {
    say "$*"
    exit 3
}

# run_quietly WHAT COMMAND...: no output unless it fails, then its last line within ours.
run_quietly() {
    local what=$1 output
    shift
    if ! output=$("$@" 2>&1 </dev/null); then
        fail "$what failed: $(tail -n 1 <<<"$output")"
    fi
}

require_root() {
    [ "$(id -u)" -eq 0 ] || fail "needs root: it installs packages and starts a virtual machine"
}

find_python() {
    local name
    for name in python3.11 python3.12 python3.13 python3; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            PYTHON=$(command -v "$name")
            return
        fi
    done
    fail "needs Python 3.11 or later: apt-get install --no-install-recommends python3 python3-venv"
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# A container image has no package lists; the lab's kernel comes from them too.
have_package_lists() {
    compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null
}

ensure_packages() {
    local name missing=()
    for name in "$@"; do
        is_installed "$name" || missing+=("$name")
    done
    if [ ${#missing[@]} -gt 0 ] || ! have_package_lists; then
        say "reads the package lists"
        run_quietly "apt-get update" apt-get update
    fi
    if [ ${#missing[@]} -gt 0 ]; then
        say "installs ${missing[*]}"
        run_quietly "apt-get install" \
            apt-get install --yes --no-install-recommends "${missing[@]}"
    fi
}

# The list is kept in one place, and that module needs nothing beyond Python itself.
host_packages() {
    PYTHONPATH=$ROOT/src:$ROOT/lab "$PYTHON" -c \
        'from mmscand_lab.kernel import COMPILER_PACKAGES, HOST_PACKAGES
print(*HOST_PACKAGES, *COMPILER_PACKAGES, sep="\n")'
}

# Its programs only: the package would start a server of its own, unless it is configured not to.
ensure_postgresql() {
    compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null && return
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    fi
    ensure_packages postgresql
}

# The two programs out of Debian's package: installed, it would start a service of its own.
ensure_prometheus() {
    [ -x "$VENV/bin/promtool" ] && [ -x "$VENV/bin/prometheus" ] && return
    local folder
    folder=$(mktemp -d)
    have_package_lists || run_quietly "apt-get update" apt-get update
    say "fetches prometheus"
    # apt drops root's rights, and the folder must be its user's then.
    chmod 777 "$folder"
    (cd "$folder" && run_quietly "apt-get download" apt-get download prometheus)
    run_quietly "dpkg-deb" dpkg-deb --extract "$folder"/prometheus_*.deb "$folder/unpacked"
    cp "$folder/unpacked/usr/bin/prometheus" "$folder/unpacked/usr/bin/promtool" "$VENV/bin/"
    rm -r "$folder"
}

# Debian keeps ensurepip, which venv needs, in a package of each Python version.
venv_package() {
    "$PYTHON" -c 'import ensurepip' 2>/dev/null ||
        "$PYTHON" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
}

# stamp_of EXTRA: the file that says "this extra is installed"; it holds wanted_stamp.
stamp_of() {
    printf '%s/.mmscand-%s' "$VENV" "$1"
}

# Another pyproject.toml, another place or another Python: installed again.
wanted_stamp() {
    {
        printf '%s\n' "$ROOT"
        "$VENV/bin/python" -V
        cat "$ROOT/pyproject.toml" "$ROOT/lab/pyproject.toml" "$ROOT"/requirements/*.txt
    } | sha256sum
}

# A venv that was interrupted while it was made has no pip.
venv_works() {
    "$VENV/bin/python" -c 'import pip' 2>/dev/null
}

is_stamped() {
    local extra wanted
    wanted=$(wanted_stamp)
    for extra in ${1//,/ }; do
        [ "$(cat "$(stamp_of "$extra")" 2>/dev/null)" = "$wanted" ] || return 1
    done
}

make_venv() {
    local extra extras=$1
    if ! venv_works; then
        say "makes .venv with $PYTHON"
        run_quietly "python -m venv" "$PYTHON" -m venv --clear "$VENV"
    fi
    if ! is_stamped "$extras"; then
        say "installs mmscand with its $extras extras into .venv"
        # Pinned with hashes by script/pin; the last extra's file has the others' in it.
        run_quietly "pip install" "$VENV/bin/python" -m pip install --quiet --require-hashes \
            -r "$ROOT/requirements/${extras##*,}.txt"
        run_quietly "pip install" "$VENV/bin/python" -m pip install --quiet --no-deps \
            -e "$ROOT" -e "$ROOT/lab"
        # Compiled once here: a virtual machine sees these files read-only, and is slow.
        run_quietly "compileall" "$VENV/bin/python" -m compileall -q "$ROOT/src" "$ROOT/lab"
        for extra in ${extras//,/ }; do
            wanted_stamp >"$(stamp_of "$extra")"
        done
    fi
}

set_up() {
    local -a packages
    local listed
    require_root
    command -v apt-get >/dev/null || fail "needs Debian or Ubuntu: there is no apt-get here"
    find_python
    # Not in a process substitution: a failure there would be lost.
    listed=$(host_packages && venv_package) || fail "cannot read lab/mmscand_lab/kernel.py"
    mapfile -t packages <<<"$listed"
    ensure_packages "${packages[@]}"
    make_venv "$1"
}
