/** Which of Node's own flags devwatch accepts before the script, and which of them take a value. */

/**
 * Flags of Node 20 to 26 that take the next word as their value. Node's own list (`allowedNodeEnvironmentFlags`) does
 * not contain this; a test runs Node with each of them.
 */
const flagsWithValue: ReadonlySet<string> = new Set(
  wordsOf(`
    --allow-fs-read --allow-fs-write --bench-isolation --bench-name-pattern --bench-reporter
    --bench-reporter-destination --bench-samples --bench-warmup --conditions --cpu-prof-dir --cpu-prof-interval
    --cpu-prof-name --debug-port --diagnostic-dir --disable-proto --disable-warning --dns-result-order
    --env-file-if-exists --experimental-config-file --experimental-default-type --experimental-loader
    --experimental-package-map --experimental-policy --experimental-test-isolation --heap-prof-dir
    --heap-prof-interval --heap-prof-name --heapsnapshot-near-heap-limit --heapsnapshot-signal --icu-data-dir --import
    --input-type --inspect-port --inspect-publish-uid --loader --localstorage-file --max-http-header-size
    --max-old-space-size-percentage --network-family-autoselection-attempt-timeout --openssl-config --policy-integrity
    --redirect-warnings --report-dir --report-directory --report-filename --report-signal --require --secure-heap
    --secure-heap-min --snapshot-blob --stack-trace-limit --test-coverage-branches --test-coverage-exclude
    --test-coverage-functions --test-coverage-include --test-coverage-lines --test-global-setup --test-isolation
    --test-name-pattern --test-random-seed --test-reporter --test-reporter-destination --test-rerun-failures
    --test-shard --test-skip-pattern --title --tls-cipher-list --tls-keylog --trace-event-categories
    --trace-event-file-pattern --trace-require-module --unhandled-rejections --use-largepages --v8-pool-size
    --vfs-mount --watch-kill-signal --watch-path -r
  `),
);

/** Flags that NODE_OPTIONS does not allow, and a program may need. */
const furtherFlags = wordsOf(`
  --expose-gc --expose_gc --cpu-prof --heap-prof --prof --cpu-prof-dir --cpu-prof-interval --cpu-prof-name
  --env-file-if-exists --test
`);

/** Returns whether this is a flag of Node, `_` and `-` being the same, `--no-…` included. */
export const isNodeFlag = (name: string): boolean =>
  process.allowedNodeEnvironmentFlags.has(name) || furtherFlags.includes(name);

/** Returns whether a flag of Node takes the next word as its value. */
export const takesNextWord = (name: string): boolean => flagsWithValue.has(name.replaceAll('_', '-'));

/** Returns the flags of Node that devwatch accepts, for suggestions. */
export const nodeFlagNames = (): readonly string[] => [...process.allowedNodeEnvironmentFlags, ...furtherFlags];

const inspectorFlag = /^--(inspect(?:[-_](?:brk|wait))?|inspect[-_]port|debug[-_]port)(?:=(.*))?$/;
const defaultInspectorPort = 9229;

/** Returns the port on which flags of Node open the inspector, 0 for any free one; undefined if they do not open it. */
export function inspectorPort(words: readonly string[]): number | undefined {
  let isOpen = false;
  let port = defaultInspectorPort;
  for (const [index, word] of words.entries()) {
    const [, name, attached] = inspectorFlag.exec(word) ?? [];
    if (name === undefined) continue;
    const isPort = name.endsWith('port');
    isOpen ||= !isPort;
    const [, digits] = /(?:^|:)(\d+)$/.exec(attached ?? (isPort ? words[index + 1] : '') ?? '') ?? [];
    if (digits !== undefined) port = Number(digits);
  }
  return isOpen ? port : undefined;
}

function wordsOf(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
