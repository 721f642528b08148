/** The rooms of src/ and what each may import. docs/architecture.md shows the same table. */

/** The rooms from which each room may import at run time, besides itself and `shared`. */
export const allowedImports: Readonly<Record<string, readonly string[]>> = {
  'bin.ts': [],
  'index.ts': ['run', 'config'],
  cli: ['background', 'run', 'systemd', 'terminal', 'watch', 'process', 'config'],
  background: ['run', 'systemd', 'terminal', 'process', 'config'],
  run: ['supervise', 'watch', 'process', 'live-reload', 'config'],
  systemd: ['process'],
  supervise: ['config'],
  watch: [],
  process: [],
  'live-reload': [],
  terminal: [],
  config: [],
  preload: [],
  shared: [],
};
