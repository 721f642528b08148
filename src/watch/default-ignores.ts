/** Folders of build output and installed packages, not watched at any depth unless a pattern names them. */
export const ignoredFolderNames: ReadonlySet<string> = new Set(
  'node_modules bower_components jspm_packages dist build out coverage logs tmp temp __pycache__ venv'.split(' '),
);

/** Files that editors, tools and Node itself put beside the real ones, ignored unless a pattern names them. */
const ignoredFiles: readonly string[] = [
  '\\.#.*', // Emacs lock
  '#.*#', // Emacs auto-save
  '.*~', // backup copies
  '.*\\.sw[a-p]', // vim
  '4913', // vim tests whether a folder is writable
  '.*___jb_old___', // JetBrains safe write
  '.*___jb_tmp___',
  '.*\\.timestamp-.*\\.mjs', // a bundled vite or vitest configuration
  // Reports of Node itself.
  'report\\.\\d{8}\\.\\d{6}\\..*\\.json', // --report-…
  'coverage-\\d+-\\d+-\\d+\\.json', // NODE_V8_COVERAGE
  '.*\\.(?:cpuprofile|heapprofile|heapsnapshot)',
  'isolate-.*\\.log', // --prof
  'node_trace\\..*\\.log',
  'core\\.\\d+', // core dumps
  // Written along with the file that counts: databases, incremental builds, package managers.
  '.*\\.(?:db|sqlite3?)-(?:journal|wal|shm)',
  '.*\\.tsbuildinfo',
  '(?:npm-debug|yarn-error|yarn-debug|lerna-debug|pnpm-debug)\\.log.*',
  'nohup\\.out',
];

const ignoredFileName = new RegExp(`^(?:${ignoredFiles.join('|')})$`, 's');

/** Is a folder of this name ignored, or hidden by its leading dot? */
export const isIgnoredFolder = (name: string): boolean => name.startsWith('.') || ignoredFolderNames.has(name);

export const isIgnoredFile = (name: string): boolean => ignoredFileName.test(name);
