#!/usr/bin/env bash
# Packs devwatch, installs the package in an empty project, and uses it there as people do.
set -euo pipefail
cd "$(dirname "$0")/.."

project=$(mktemp -d)
npm_group=
cleanup() {
  if [[ -n $npm_group ]]; then kill -TERM -- "-$npm_group" 2>/dev/null || true; fi
  if [[ -d $project/state ]]; then (cd "$project" && npx devwatch stop all >/dev/null) || true; fi
  rm -rf "$project"
}
trap cleanup EXIT

fail() {
  printf 'smoke: %s\n' "$1" >&2
  if [[ -e $project/dev.log ]]; then cat "$project/dev.log" >&2; fi
  exit 1
}

# Repeats a command until it succeeds, for at most 20 seconds.
await() {
  for _ in $(seq 200); do
    if "$@"; then return; fi
    sleep 0.1
  done
  fail "timed out: $*"
}

# Prints the answer of the server at its latest address.
answer() {
  local address
  address=$(sed -n 's/^listening on //p' "$project/dev.log" | tail -n 1)
  [[ -n $address ]] && node -e 'fetch(process.argv[1]).then((r) => r.text()).then(console.log, () => process.exit(1))' "$address"
}
answers() { [[ $(answer) == "$1 from pid "* ]]; }
is_gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:\s*[ZX]' "/proc/$1/status" 2>/dev/null; }

tarball=$(npm pack --silent --pack-destination "$project")
cp fixtures/server.js "$project/server.js"
cat >"$project/package.json" <<JSON
{"name": "smoke", "private": true, "type": "module", "scripts": {"dev": "devwatch server.js"}}
JSON
cd "$project"
npm install --silent --no-audit --no-fund "./${tarball##*$'\n'}"

# npm warns of packages that run scripts when they are installed; from a clone, `prepare` would be one.
node -e '
  const { scripts } = require("devwatch/package.json");
  const found = ["preinstall", "install", "postinstall", "prepare"].filter((name) => name in scripts);
  if (found.length > 0) throw new Error(`the package runs scripts when it is installed: ${found}`);
'
echo 'it is installed without running scripts'

# With job control on, npm leads a group of its own, which the clean-up can end as a whole.
set -m
PORT=0 npm run dev >dev.log 2>&1 </dev/null &
npm_group=$!
set +m
await answers hello
server_pid=$(answer | sed 's/.* pid //')
devwatch_pid=$(sed -n 's/^PPid:\s*//p' "/proc/$server_pid/status")
await grep -q 'watching' dev.log
echo 'it answers'

sed -i "s/'hello'/'goodbye'/" server.js
await answers goodbye
if ! is_gone "$server_pid"; then fail "the old server, pid $server_pid, is alive"; fi
echo 'it answers again after an edit'

server_pid=$(answer | sed 's/.* pid //')
kill -TERM "$devwatch_pid"
wait "$npm_group" || true
if ! is_gone "$server_pid"; then fail "the server, pid $server_pid, is alive after SIGTERM"; fi
if ! is_gone "$devwatch_pid"; then fail "devwatch, pid $devwatch_pid, is alive after SIGTERM"; fi
npm_group=
echo 'it is gone after SIGTERM'

# In the background, with state in a folder of its own.
export XDG_STATE_HOME=$project/state XDG_RUNTIME_DIR=
PORT=0 npx devwatch start --name smoke server.js >dev.log 2>&1 || fail 'start failed'
grep -q '^smoke is up after ' dev.log || fail 'start does not say that it is up'
npx devwatch logs smoke >dev.log
answers goodbye || fail 'the server in the background does not answer'
server_pid=$(answer | sed 's/.* pid //')
npx devwatch list | grep -q "^smoke  *up  *$server_pid " || fail 'list does not show it'
npx devwatch restart smoke >dev.log || fail 'restart failed'
grep -q '^smoke is up again after ' dev.log || fail 'restart does not say that it is up again'
if ! is_gone "$server_pid"; then fail "the old server, pid $server_pid, is alive after restart"; fi
npx devwatch logs smoke >dev.log
answers goodbye || fail 'the server does not answer after restart'
server_pid=$(answer | sed 's/.* pid //')

cat >echo.js <<'JS'
process.stdin.on('data', (line) => console.log(`heard ${line}`));
JS
npx devwatch start --name echo echo.js >/dev/null || fail 'the program that echoes does not start'
# Not by npx, so that the signal reaches it.
echo hello | node_modules/.bin/devwatch attach echo >dev.log &
attach_pid=$!
await grep -q '^heard hello$' dev.log
kill -INT "$attach_pid"
wait "$attach_pid" || fail "attach ends with code $?"
npx devwatch list | grep -q '^echo  *running ' || fail 'the program ended with attach'
npx devwatch stop echo >/dev/null
echo 'it restarts, and attach shows its output and passes input on'

npx devwatch stop smoke >/dev/null
if ! is_gone "$server_pid"; then fail "the server, pid $server_pid, is alive after stop"; fi
npx devwatch list | grep -q '^smoke  *stopped ' || fail 'list does not show that it is stopped'
npx devwatch delete smoke echo >/dev/null
npx devwatch list --json | grep -q '"programs": \[\]' || fail 'list still shows it'
echo 'it runs in the background, is listed, stopped and deleted'

# Several programs, in the terminal and in the background; and the unit of one.
cat >.watchrc <<'JSON'
{ "apps": { "api": "server.js", "web": { "script": "server.js", "after": ["api"] } }, "env": { "PORT": "0" } }
JSON
set -m
npx devwatch >dev.log 2>&1 </dev/null &
npm_group=$!
set +m
await grep -q '^web | listening on ' dev.log
kill -TERM -- "-$npm_group"
wait "$npm_group" || true
npm_group=
[[ $(sed -n 's/ | listening on .*//p' dev.log | tr '\n' ' ') == 'api web ' ]] || fail 'web does not come after api'

npx devwatch start >dev.log || fail 'several do not start'
[[ $(sed -n 's/ is up after .*//p' dev.log | tr '\n' ' ') == 'api web ' ]] || fail 'in the background web does not come after api'
npx devwatch reload web | grep -q '^web has read its settings again' || fail 'web does not read its settings again'
npx devwatch stop . >/dev/null
[[ $(npx devwatch list | grep -c ' stopped ') == 2 ]] || fail 'several are not stopped'
npx devwatch unit --only api | grep -q '^ExecStart=.* --only api$' || fail 'there is no unit'
echo 'several run side by side, and in the background'
