/** Replaces functions of Node while packages are loaded. A package that keeps a replacement calls the original later on. */

const { defineProperty, deleteProperty, getOwnPropertyDescriptor } = Reflect;

type Method = (...args: unknown[]) => unknown;
/** Returns the result; `proceed` calls the original function. */
type Interception = (args: unknown[], proceed: () => unknown) => unknown;

class Patches {
  readonly #isActive: () => boolean;
  readonly #restores: (() => void)[] = [];

  /** @param isActive whether calls are intercepted now */
  constructor(isActive: () => boolean) {
    this.#isActive = isActive;
  }

  /** Intercepts a method, if the object has it and it can be replaced. */
  add(object: unknown, name: string, intercept: Interception): void {
    if (object === undefined || object === null) return;
    const target = object as Record<string, unknown>;
    const original = target[name];
    if (typeof original !== 'function') return;
    const apply = (fn: Method, self: unknown, args: unknown[]): unknown => {
      const proceed = (): unknown => Reflect.apply(fn, self, args);
      return this.#isActive() ? intercept(args, proceed) : proceed();
    };
    this.replace(target, name, { value: new Proxy(original as Method, { apply }) });
  }

  /** Replaces the value or the getter of a property until `restore`. */
  replace(target: object, name: string, replacement: PropertyDescriptor): void {
    const before = getOwnPropertyDescriptor(target, name);
    const common = before ?? { enumerable: true, configurable: true, writable: true };
    try {
      defineProperty(target, name, { ...common, ...replacement });
    } catch {
      return;
    }
    const own = getOwnPropertyDescriptor(target, name)?.value as unknown;
    this.#restores.push(() => {
      // Node itself may have replaced it since.
      if (getOwnPropertyDescriptor(target, name)?.value !== own) return;
      if (before === undefined) deleteProperty(target, name);
      else defineProperty(target, name, before);
    });
  }

  restore(): void {
    for (const restore of this.#restores.splice(0).reverse()) restore();
  }
}

export type { Interception, Patches };

module.exports = { Patches };
