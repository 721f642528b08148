/** Stands behind the loaders that `--require` names, and waits there (see parking.cts). */

const place = Symbol.for('devwatch.park');
const { [place]: parking } = globalThis as { [place]?: { parkWith(load: NodeJS.Require): void } };
Reflect.deleteProperty(globalThis, place);
delete require.cache[__filename];
parking?.parkWith(require);
