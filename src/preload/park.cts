/** Stands behind the loaders that `--require` names, and waits there (see preload.cts). */

const at = Symbol.for('devwatch.park');
const { [at]: park } = globalThis as { [at]?: () => void };
Reflect.deleteProperty(globalThis, at);
delete require.cache[__filename];
park?.();
