/** Commands that are known by name: the language of the programs that they run, and whether they end by themselves. */

/** Extensions of the files that a Node program reads. */
export const javascript: readonly string[] = ['js', 'mjs', 'cjs', 'json'];
/** The same for a program that may be in TypeScript. It also counts for commands that are not known. */
export const typescript: readonly string[] = [...javascript, 'ts', 'mts', 'cts', 'tsx', 'jsx'];

/** Extensions of the sources of each language, and the commands that run them. */
const languages: readonly (readonly [extensions: string, tools: string])[] = [
  [javascript.join(' '), 'node'],
  [
    typescript.join(' '),
    'tsx ts-node ts-node-esm ts-node-script ts-node-transpile-only ts-node-dev tsnd swc-node esr esno babel-node deno bun tsc swc esbuild',
  ],
  [
    'py',
    `python pypy py ipython uvicorn gunicorn hypercorn daphne granian flask quart sanic fastapi litestar robyn celery rq
     dramatiq huey_consumer arq django-admin manage waitress-serve streamlit gradio chainlit pytest coverage uv uvx
     poetry pdm pipenv rye hatch pixi pipx conda mamba micromamba ddtrace-run newrelic-admin opentelemetry-instrument
     debugpy py-spy scalene viztracer watchmedo`,
  ],
  [
    'rb erb ru rake haml slim yml',
    'ruby jruby truffleruby rails rake rackup puma unicorn thin falcon passenger sidekiq resque hanami jekyll bundle rspec irb',
  ],
  ['php phtml twig', 'php php-fpm artisan composer symfony frankenphp rr phpunit drush wp'],
  ['pl pm psgi', 'perl plackup starman morbo hypnotoad prove'],
  ['go mod tmpl', 'go air gow'],
  ['rs toml', 'cargo rustc trunk'],
  ['ex exs eex heex leex', 'mix elixir iex elixirc'],
  ['erl hrl', 'erl erlc escript rebar3'],
  ['cs fs vb cshtml razor csproj fsproj json', 'dotnet'],
  [
    'java kt kts groovy gradle scala properties xml',
    'java javac gradle gradlew mvn mvnw kotlin kotlinc scala sbt mill jbang',
  ],
  ['clj cljs cljc edn', 'clojure clj lein bb boot shadow-cljs'],
  ['hs cabal', 'ghc runghc runhaskell stack cabal'],
  ['ml mli', 'ocaml dune'],
  ['swift', 'swift swiftc'],
  ['dart', 'dart flutter'],
  ['lua', 'lua luajit lapis'],
  ['cr', 'crystal shards'],
  ['nim', 'nim nimble'],
  ['zig', 'zig'],
  ['jl', 'julia'],
  ['R r Rmd', 'Rscript R'],
  ['c h cc cpp cxx hpp', 'gcc cc g++ c++ clang clang++ cmake ninja meson tcc'],
];

/** Commands that may run anything: what Node programs read counts, and what their own files name. */
const runners: Readonly<Record<string, readonly string[]>> = {
  make: ['c', 'h', 'cc', 'cpp', 'hpp', 'mk'],
  sh: ['sh'],
  bash: ['sh', 'bash'],
  dash: ['sh'],
  zsh: ['sh', 'zsh'],
  ksh: ['sh'],
  fish: ['fish'],
};

const byTool: ReadonlyMap<string, readonly string[]> = new Map([
  ...languages.flatMap(([extensions, tools]) =>
    tools.split(/\s+/).map((tool): [string, readonly string[]] => [tool, extensions.split(' ')]),
  ),
  ...Object.entries(runners).map(([tool, own]): [string, readonly string[]] => [tool, [...typescript, ...own]]),
]);

const sourceExtensions: ReadonlySet<string> = new Set([...byTool.values()].flat());

/** Returns whether sources of a language that is known have this extension. */
export const isSourceExtension = (extension: string): boolean => sourceExtensions.has(extension);

/** Commands that prepare others in a line of the shell, and read no sources. */
const helpers: ReadonlySet<string> = new Set(
  `cd echo printf export set unset source . eval sleep true false test [ mkdir rmdir rm cp mv ln touch cat clear exit wait
   trap ulimit umask kill pkill date which type pwd rimraf cpx shx docker docker-compose curl wget`.split(/\s+/),
);

/** Returns whether a command only prepares others. */
export const isHelper = (tool: string): boolean => helpers.has(tool);

/** Returns the extensions of the files that programs read which this command runs; undefined if it is not known. */
export const extensionsOf = (tool: string): readonly string[] | undefined => byTool.get(tool);

/** Returns whether this command may run programs of any language. */
export const runsAnything = (tool: string): boolean => Object.hasOwn(runners, tool);

/** Returns the extensions of all languages whose commands a text names, such as a shell script or a Makefile. */
export function extensionsNamedIn(text: string): string[] {
  const words = new Set(text.match(/[A-Za-z][\w.+-]*/g) ?? []);
  return [...new Set([...words].flatMap((word) => byTool.get(toolName(word)) ?? []))];
}

/**
 * Returns the name of the command in a word, without its folder, the suffix of Windows, and a version: `python` for
 * `/opt/venv/bin/python3.11`.
 */
export function toolName(word: string): string {
  const last = word.split(/[/\\]/).at(-1) ?? '';
  const [suffix = ''] = /\.(?:exe|cmd|bat|ps1)$/i.exec(last) ?? [];
  const base = suffix === '' ? last : last.slice(0, -suffix.length).toLowerCase();
  if (base === 'nodejs') return 'node';
  if (byTool.has(base)) return base;
  const stem = base.replace(/\.(?:py|rb|php|sh)$/, '').replace(/-?\d+(?:\.\d+)*[a-z]?$/, '');
  return byTool.has(stem) ? stem : base;
}

/**
 * Commands that end when their work is done, with the subcommands for which that is so: `''` stands for none, an empty
 * list for all.
 */
const jobs: Readonly<Record<string, readonly string[]>> = {
  ...alike('jest mocha ava tap tape uvu pytest unittest rspec phpunit prove tox', []),
  ...alike('tsc vue-tsc eslint prettier biome stylelint xo swc esbuild rollup webpack cmake ninja', []),
  ...alike('make', ['', 'all', 'test', 'build', 'lint', 'check']),
  ...alike('npm pnpm yarn bun deno', ['test', 't', 'build', 'lint', 'typecheck', 'check', 'ci', 'install']),
  ...alike('go cargo dotnet mix mvn mvnw gradle gradlew swift zig', ['test', 'build', 'check', 'vet', 'clippy']),
  ...alike('vitest cypress', ['run']),
  ...alike('vite next nuxt astro nest ng turbo nx', ['build', 'test', 'lint']),
  ...alike('playwright rails rake', ['test', 'spec']),
};

function alike(tools: string, subcommands: readonly string[]): Record<string, readonly string[]> {
  return Object.fromEntries(tools.split(' ').map((tool) => [tool, subcommands]));
}

/** Flags with which such a command stays. */
const staying = /^(?:-w|--watch.*|--serve|--ui)$/;

/** Returns whether a command does some work and ends, so that another try after a failure would fail in the same way. */
export function endsByDesign(tool: string, words: readonly string[]): boolean {
  const [first, module = '', ...others] = words;
  if (tool === 'python' && first === '-m') return endsByDesign(module, others);
  const subcommands = Object.hasOwn(jobs, tool) ? jobs[tool] : undefined;
  if (subcommands === undefined || words.some((word) => staying.test(word))) return false;
  const subcommand = words.find((word) => !word.startsWith('-') && !/^run(?:-script)?$/.test(word)) ?? '';
  const runs = words.includes('run') && subcommands.includes('run');
  return runs || subcommands.length === 0 || subcommands.includes(subcommand.split(':')[0] ?? '');
}
