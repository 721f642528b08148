/**
 * `node probe.cjs <package>`: prints all that a program can see before and after it asks for the package, one fact a line.
 * Numbers that differ from run to run are left out. An ES module imports this file before the package and calls `end`.
 */

const Module = require('node:module');
const { getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect;

const [, script, name] = process.argv;
const lines = [];
const warnings = [];
process.on('warning', (warning) => warnings.push(`${warning.name} ${warning.message}`));

const shortened = (text) =>
  String(text)
    .replaceAll(process.cwd(), '.')
    .replace(/^.*[\\/]node_modules[\\/]/, '');

const builtins = Module.builtinModules.filter(
  (one) => !one.includes('_') && !/^(?:inspector|trace_events|wasi|repl|domain|test|sea|sqlite|punycode|sys)/.test(one),
);
/** Node 22 and later load their `fetch` at the first look at these. */
const lazy = new Set(
  'FormData Headers Request Response MessageEvent WebSocket EventSource CloseEvent ErrorEvent setTraceSigInt diff'.split(
    ' ',
  ),
);
const volatile = new Set(['_events', '_eventsCount', 'mainModule', 'exitCode', '_exiting', 'domain']);

const keysOf = (object) => ownKeys(object).filter((key) => !volatile.has(key));
const intrinsics = ownKeys(globalThis).filter((key) => typeof key === 'string' && /^[A-Z]/.test(key) && !lazy.has(key));

/** The names of all that hangs on globals, on prototypes and on Node's own modules. */
function ground() {
  const objects = [
    ['globalThis', globalThis],
    ['process', process],
    ['Module', Module],
    ['console', console],
  ];
  for (const key of intrinsics) {
    const value = getOwnPropertyDescriptor(globalThis, key)?.value;
    if (typeof value !== 'function' && typeof value !== 'object') continue;
    objects.push([key, value]);
    if (value?.prototype) objects.push([`${key}.prototype`, value.prototype]);
  }
  for (const one of builtins) objects.push([one, require(one)]);
  for (const [label, object] of objects) {
    if (object === null || (typeof object !== 'object' && typeof object !== 'function')) continue;
    lines.push(`ground ${label}: ${keysOf(object).map(String).sort().join(' ')}`);
    for (const key of keysOf(object)) {
      if (lazy.has(key)) continue;
      const { value } = getOwnPropertyDescriptor(object, key) ?? {};
      if (typeof value === 'function')
        lines.push(
          `ground ${label}.${String(key)} ${value.name}/${value.length}/${Function.prototype.toString.call(value).length}`,
        );
    }
  }
}

function world() {
  lines.push(`env ${JSON.stringify(Object.entries(process.env).sort())}`);
  lines.push(`place ${process.argv.length} ${process.execArgv} ${shortened(process.cwd())} ${process.title}`);
  process.noDeprecation = true;
  for (const [file, module] of Object.entries(Module._cache)) {
    const children = module.children.map(({ id }) => shortened(id)).join(' ');
    const keys = ownKeys(module)
      .map(String)
      .filter((key) => !key.startsWith('Symbol'))
      .join();
    lines.push(
      `module ${shortened(file)} parent ${shortened(module.parent?.id)} ${module.loaded} ${keys} > ${children}`,
    );
  }
  delete process.noDeprecation;
  lines.push(`main ${require.main === module} ${process.mainModule === module} ${process.exitCode}`);
  for (const event of process.eventNames()) {
    const listeners = process.rawListeners(event).map((one) => `${(one.listener ?? one).name}/${one.length}`);
    lines.push(`listeners ${String(event)} ${listeners.join(' ')}`);
  }
  lines.push(
    `resources ${process
      .getActiveResourcesInfo()
      .filter((one) => one !== 'Immediate')
      .sort()}`,
  );
  lines.push(`extensions ${Object.keys(Module._extensions)}`);
  ground();
}

const maxLines = 3000;

function shape(root) {
  const seen = new Map();
  let count = 0;
  const look = (value, path, depth) => {
    count += 1;
    if (count > maxLines) return;
    if (value === null || (typeof value !== 'object' && typeof value !== 'function')) {
      const isSteady = typeof value !== 'number' || (Number.isInteger(value) && Math.abs(value) < 1e6);
      const text = typeof value === 'string' ? `'${shortened(value).slice(0, 40)}'` : String(value);
      lines.push(`${path} ${isSteady ? text : 'number'}`);
      return;
    }
    if (seen.has(value)) {
      lines.push(`${path} = ${seen.get(value)}`);
      return;
    }
    seen.set(value, path);
    let keys = [];
    try {
      keys = ownKeys(value);
    } catch {}
    const prototype = getPrototypeOf(value);
    lines.push(
      `${path} ${typeof value} ${seen.get(prototype) ?? prototype?.constructor?.name} ${keys.length} ${Object.isFrozen(value)}`,
    );
    if (
      depth === 0 ||
      ArrayBuffer.isView(value) ||
      [globalThis, process, process.env, console, Module, Module._cache].includes(value)
    )
      return;
    for (const key of keys.slice(0, 300)) {
      let descriptor;
      try {
        descriptor = getOwnPropertyDescriptor(value, key);
      } catch {}
      if (descriptor === undefined) continue;
      const flags = `${descriptor.writable}${descriptor.enumerable}${descriptor.configurable}`;
      if ('value' in descriptor) look(descriptor.value, `${path}.${String(key)}(${flags})`, depth - 1);
      else lines.push(`${path}.${String(key)} get ${descriptor.get?.name} ${flags}`);
    }
  };
  look(root, 'exports', 4);
}

function end(exported) {
  lines.push('--- after');
  world();
  shape(exported);
  setTimeout(() => {
    lines.push('--- later');
    world();
    lines.push(...warnings);
    process.stdout.write(`${lines.join('\n')}\n`, () => process.exit(0));
  }, 50);
}

lines.push('--- before');
world();
if (script === __filename) {
  let exported;
  try {
    exported = require(name);
  } catch (error) {
    lines.push(`throws ${error.code} ${String(error.message).split('\n')[0]}`);
  }
  end(exported);
} else exports.end = end;
