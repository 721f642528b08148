/** Stands behind the loaders that `--import` names, and waits there (see preload.cts). */

const at: unique symbol = Symbol.for('devwatch.park');
const { [at]: park } = globalThis as { [at]?: () => void };
Reflect.deleteProperty(globalThis, at);
park?.();

export {};
