/** Runs after the loaders that `--require` names, and waits there (see parking.cts). */

const key = Symbol.for('devwatch.park');
const { [key]: parking } = globalThis as { [key]?: import('./parking.cts').Parking };
Reflect.deleteProperty(globalThis, key);
delete require.cache[__filename];
parking?.parkWith(require);
