#!/bin/sh
# `npm run up` and `npm test` on a machine that has nothing but npm and some Node >= 20: installs what package-lock.json
# says when it is not there, then goes on with the Node of this project.
set -eu
cd "$(dirname "$0")/.."

if ! node scripts/is-installed.cjs; then
  echo "==> installing the packages of package-lock.json (a minute or two)" >&2
  npm ci --no-audit --no-fund --loglevel=error >&2
fi

# The scripts of a package do not run at an install here, so nothing else has to be made.
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(+a > 24 || (+a === 24 && +b >= 15) ? 0 : 1)'; then
  echo "no Node for this machine is among the packages, and the system's $(node --version) is older than 24.15" >&2
  exit 1
fi

verb=$1
shift
exec node "scripts/$verb.ts" "$@"
