/** Every option, key and command of similar tools, as their sources have them. The tables in docs/moving-from name all of them. */

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** By page and heading. */
export const peerWords: Readonly<Record<string, readonly string[]>> = {
  // nodemon 3.1.14: lib/cli/parse.js
  'nodemon#Command line': words(`
    --help -h -? --version -v --no-update-notifier --spawn --dump --verbose -V --legacy-watch -L --polling-interval -P
    --js --quiet -q --config --watch -w --ignore -i --exitcrash --delay -d --exec -x --no-stdin -I --on-change-only -C
    --ext -e --no-colours --no-colors --signal -s --cwd rs
  `),
  // index.d.ts, without what nodemon computes from the others
  'nodemon#Keys of nodemon.json': words(`
    script args nodeArgs exec execMap env events watch ignore ignoreRoot ext delay legacyWatch pollingInterval watchOptions
    signal exitCrash runOnChangeOnly quiet verbose colours restartable cwd stdin stdout spawn dump noUpdateNotifier
  `),
  // Node 26: node --help
  'node-watch#Flags': words('--watch --watch-path --watch-preserve-output --watch-kill-signal'),
  // tsx 4.23: the flags of `tsx watch`
  'tsx-watch#tsx watch': words(
    '--no-cache --tsconfig --clear-screen --no-clear-screen --ignore --include --exclude -h --help -v --version',
  ),
  // ts-node-dev 2.0.0: lib/bin.js
  'tsx-watch#ts-node-dev': words(`
    --deps --all-deps --dedupe --fork --exec-check --debug --poll --respawn --notify --tree-kill --clear --cls --exit-child
    --error-recompile --quiet --rs --dir --deps-level --compile-timeout --ignore-watch --interval --debounce --watch
    --cache-directory --scope --emit --files --pretty --transpile-only --prefer-ts-exts --prefer-ts --log-error
    --skip-project --skip-ignore --compiler-host --script-mode --compiler --project --ignore --ignore-diagnostics
    --compiler-options --scopeDir --transpiler -T -H -I -D -O -C -P -s
  `),
  // pm2 7.0.4: lib/binaries/CLI.js
  'pm2-and-forever#Commands of pm2': words(`
    start trigger deploy startOrRestart startOrReload pid create startOrGracefulReload stop restart scale profile:mem
    profile:cpu reload id inspect delete del sendSignal ping updatePM2 update install module:install module:update
    module:generate uninstall module:uninstall package publish module:publish set multiset get conf config unset report link
    unlink monitor unmonitor open plus register login logout dump save cleardump send attach resurrect unstartup startup
    logrotate ecosystem init reset describe desc info show env list ls l ps status jlist slist sysinfos prettylist monit
    imonit dashboard dash flush reloadLogs logs log kill pull forward backward deepUpdate serve expose autoinstall examples
    install-otel uninstall-otel
  `),
  'pm2-and-forever#Options of pm2': words(`
    -v --version -s --silent --ext -n --name -m --mini-list --interpreter --interpreter-args --node-args -o --output -e
    --error -l --log --filter-env --log-type --log-date-format --time --disable-logs --env -a --update-env -f --force -i
    --instances --parallel --shutdown-with-message -p --pid -k --kill-timeout --listen-timeout --max-memory-restart
    --restart-delay --exp-backoff-restart-delay -x --execute-command --max-restarts -u --uid --gid --namespace --cwd --hp
    --wait-ip --service-name -c --cron --cron-restart -w --write --no-daemon --source-map-support --only
    --disable-source-map-support --wait-ready --merge-logs --watch --ignore-watch --watch-delay --no-color --no-vizion
    --no-autostart --no-autorestart --stop-exit-codes --no-treekill --no-pmx --no-automation --trace --disable-trace --sort
    --attach --v8 --event-loop-inspector --deep-monitoring
  `),
  // lib/API/schema.json
  'pm2-and-forever#Keys of an ecosystem file': words(`
    script name name_prefix filter_env namespace install_url cwd args interpreter node_args out_file error_file log_file
    disable_logs log_type log_date_format time env env_production max_memory_restart pid_file restart_delay
    exp_backoff_restart_delay source_map_support disable_source_map_support wait_ready instances kill_timeout
    shutdown_with_message listen_timeout cron_restart merge_logs vizion autostart autorestart stop_exit_codes watch_delay
    watch ignore_watch watch_options min_uptime max_restarts execute_command exec_mode force append_env_to_name post_update
    trace disable_trace v8 event_loop_inspector deep_monitoring increment_var instance_var pmx automation treekill port
    username uid gid windowsHide kill_retry_time write io
  `),
  // forever 4.0.3: lib/forever/cli.js
  'pm2-and-forever#forever': words(`
    start stop stopbypid stopall restart restartall list config set clear logs columns cleanlogs -m --max -l --logFile -o
    --outFile -e --errFile -p --path -c --command -a --append -f --fifo -n --number --pidFile --uid --id --sourceDir
    --workingDir --minUptime --spinSleepTime --colors --plain -d --debug -v --verbose -s --silent -w --watch
    --watchDirectory --watchIgnore -t --killTree --killSignal --version -h --help
  `),
  // watchexec 2.6.1: completions/zsh
  'watchexec#Options': words(`
    --completions --shell -E --env --wrap-process --stop-signal --stop-timeout --timeout --delay-run --workdir --socket -o
    --on-busy-update -s --signal --map-signal -d --debounce --poll --force-poll --emit-events-to -w --watch -W
    --watch-non-recursive -F --watch-file -e --exts -f --filter --filter-file --project-origin -j --filter-prog -i --ignore
    --ignore-file --fs-events --log-file -c --clear -N --notify --color --manual --only-emit-events -1 -n --no-environment
    --no-process-group -Q --quote -r --restart --stdin-quit -I --interactive --exit-on-error -p --postpone --no-vcs-ignore
    --no-project-ignore --no-global-ignore --no-default-ignore --no-discover-ignore --ignore-nothing --no-meta
    --no-follow-symlinks -v --verbose --print-events --timings -q --quiet --bell -h --help -V --version
  `),
};
