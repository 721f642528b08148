/**
 * Reads from a file of the program what it loads, and where code of its own runs in between: statements that only import, or
 * declare, cannot configure a package. What is not understood counts as code.
 */

import { type Names, takesDeclaration, takesValue } from './declarations.ts';
import { type Read, TokenReader, Unreadable } from './token-reader.ts';

/** An `import` or a `require` that is a statement of its own. */
export interface OwnImport {
  readonly name: string;
  /** Code may run between it and the one before, or the begin of the file. */
  readonly isBehindCode: boolean;
  /** Properties of the exports that are read at once, which may run an accessor; `*` for all. */
  readonly reads: readonly string[];
  /** A compiler leaves it out if it is used as a type only. */
  readonly canBeElided: boolean;
  /** In an ES module it is loaded before any code of the file. */
  readonly isStatic: boolean;
}

export interface OwnCode {
  /** Without those that code loads. */
  readonly imports: readonly OwnImport[];
  /** The file calls nothing while it is evaluated. */
  readonly isInert: boolean;
  /** Something may be loaded behind the first code. */
  readonly loadsLater: boolean;
  /** Names that it imports statically behind the first code: an ES module has these before. Undefined if they are not known. */
  readonly laterImports: readonly string[] | undefined;
  /** It has accessors, which other files may read. */
  readonly hasAccessors: boolean;
  /** How the names are used that a compiler leaves out with their import, if they are used as types only. */
  readonly uses: ReadonlySet<string>;
}

/** Of a file that cannot be read. */
export const unknownCode: OwnCode = {
  ...{ imports: [], isInert: false, loadsLater: true, laterImports: undefined, hasAccessors: true, uses: new Set() },
};

const inertCode: OwnCode = {
  ...{ imports: [], isInert: true, loadsLater: false, laterImports: [], hasAccessors: false, uses: new Set() },
};

/** Interoperation with ES modules, as compilers write it: they copy descriptors, and call no accessor. */
const interop = /^(?:__importDefault|__importStar|__toESM|_?_interop_?[Rr]equire_?([Dd]efault|[Ww]ildcard))$/;
/** Functions that TypeScript writes into files. */
const helpers =
  /^__(?:decorate|metadata|param|importStar|importDefault|createBinding|setModuleDefault|exportStar|awaiter|rest|assign|esDecorate|runInitializers|propKey|setFunctionName|classPrivateField(?:Get|Set|In)|spreadArray|values|read|extends|generator|await|asyncGenerator|asyncDelegator|asyncValues)$/;
const maxBytes = 500_000;

/** Whether a text may load files in the name of another one. */
export const loadsForOthers = (text: string): boolean =>
  /\b(?:createRequire|mainModule|_load|_resolveFilename|_compile|registerHooks)\b|\brequire\s*\[|\brequire\s*\.\s*(?:cache\b|main\b(?!\s*[!=]==?))|\bmodule\s*(?:\[|\.\s*(?:require|parent|children|constructor)\b)|['"](?:node:)?module['"]/.test(
    text,
  );

/** Whether a file loads the same as before, and runs code at the same places. */
export function keepsOrder(before: OwnCode, after: OwnCode): boolean {
  const placesOf = ({ uses: _, ...rest }: OwnCode): string => JSON.stringify(rest);
  return placesOf(before) === placesOf(after) && [...before.uses].every((use) => after.uses.has(use));
}

/** Reads the text of a file. */
export function ownCodeOf(file: string, text: string): OwnCode {
  if (file.endsWith('.json')) return inertCode;
  if (!/\.[cm]?[jt]sx?$/.test(file) || text.length > maxBytes) return unknownCode;
  try {
    const code = new Reading(text, /\.[cm]?tsx?$/.test(file)).read();
    // Text between tags is no code.
    return /x$/.test(file) && !code.isInert ? { ...code, laterImports: undefined } : code;
  } catch (error) {
    if (error instanceof Unreadable) return unknownCode;
    throw error;
  }
}

type Around = (distance: number) => Read;

/** Whether a token belongs to the definition of an accessor. */
const definesAccessor = ({ text }: Read, around: Around): boolean =>
  /^(?:defineProperty|defineProperties|__defineGetter__|Proxy)$/.test(text) ||
  (text === 'get' &&
    around(-1).text !== '.' &&
    (around(1).type === 'IdentifierName' || /^[:(["']/.test(around(1).text)));

/** Whether a token may load something, or give away what can. */
const mayLoad = ({ text, type }: Read, around: Around): boolean => {
  if (type !== 'IdentifierName' || around(-1).text === '.') return false;
  if (text === 'module') return around(1).text !== '.' && around(1).text !== ':';
  return /^(?:require|import|eval)$/.test(text);
};

const words =
  /^(?:new|extends|implements|typeof|return|throw|as|satisfies|instanceof|case|await|of|in|default|export)$/;

/** Describes a token beside a name, as far as it tells whether the name is used as a value. */
const kindOf = ({ type, text }: Read): string => {
  if (type === 'IdentifierName') return words.test(text) ? text : 'name';
  return type === 'Punctuator' ? text : 'literal';
};

/** Words that cannot stand within an expression, so that a statement begins here. */
const beginsImport = /^(?:const|let|var|import|export)$/;

class Reading {
  readonly #reader: TokenReader;
  readonly #isTypeScript: boolean;
  readonly #imports: OwnImport[] = [];
  /** There was code since the last import. */
  #isBehindCode = false;
  /** Names that `import` binds: the compiled code reads them as properties of what was loaded. */
  readonly #names: Names = new Map();

  constructor(text: string, isTypeScript: boolean) {
    this.#reader = new TokenReader(text);
    this.#isTypeScript = isTypeScript;
  }

  read(): OwnCode {
    const reader = this.#reader;
    const hasAccessors = reader.some(definesAccessor);
    let firstCode: number | undefined;
    try {
      while (!reader.isOver) {
        const start = reader.at;
        if (this.#statement() && reader.at > start) continue;
        firstCode ??= start;
        reader.at = start;
        this.#skipCode();
      }
    } catch (error) {
      // The imports that have been read are known.
      if (!(error instanceof Unreadable) || firstCode === undefined) throw error;
    }
    reader.at = firstCode ?? reader.at;
    const isInert = firstCode === undefined;
    const loadsLater = reader.some(mayLoad);
    const laterImports = this.#laterImports();
    return { imports: this.#imports, isInert, loadsLater, laterImports, hasAccessors, uses: this.#uses() };
  }

  /** Returns the names in all static imports from here on. */
  #laterImports(): string[] | undefined {
    const reader = this.#reader;
    const names: string[] = [];
    for (; !reader.isOver; reader.at += 1) {
      if (reader.peek().type !== 'StringLiteral' || !/^(?:from|import)$/.test(reader.peek(-1).text)) continue;
      const { text } = reader.peek();
      if (text.includes('\\')) return undefined;
      names.push(text.slice(1, -1));
    }
    return names;
  }

  /** Goes to the next statement that may be understood. */
  #skipCode(): void {
    const reader = this.#reader;
    this.#isBehindCode = true;
    do reader.skip();
    while (!reader.isOver && !(reader.peek().isFirst && beginsImport.test(reader.peek().text)));
  }

  /** Returns how the file uses what a compiler leaves out where it is used as a type only. */
  #uses(): ReadonlySet<string> {
    const reader = this.#reader;
    reader.at = 0;
    const uses = new Set<string>();
    if (!this.#isTypeScript) return uses;
    for (; !reader.isOver; reader.at += 1) {
      const { type, text } = reader.peek();
      if (type === 'IdentifierName' && this.#names.has(text)) {
        uses.add(`${kindOf(reader.peek(-1))} ${text} ${kindOf(reader.peek(1))}`);
      }
    }
    return uses;
  }

  /** Goes behind a statement that only loads or declares something. Returns false for all others. */
  #statement(): boolean {
    const reader = this.#reader;
    if (reader.takes(';')) return true;
    if (reader.sees('"')) return reader.string() !== undefined && reader.endsStatement();
    if (reader.sees('import')) return this.#import();
    if (reader.sees('export')) return this.#export();
    if (reader.sees('require', '(') || reader.sees('__exportStar', '(')) {
      return this.#required([]) && reader.endsStatement();
    }
    if (/^(?:const|let|var)$/.test(reader.peek().text) && !reader.sees('const', 'enum')) return this.#variables();
    if (/^(?:exports|module)$/.test(reader.peek().text)) return this.#exportsAssigned();
    return takesDeclaration(reader, this.#names);
  }

  #add(name: string, reads: readonly string[], canBeElided: boolean, isStatic = true): OwnImport {
    const one = { name, isBehindCode: this.#isBehindCode, reads: [...reads], canBeElided, isStatic };
    this.#isBehindCode = false;
    this.#imports.push(one);
    return one;
  }

  #import(): boolean {
    const reader = this.#reader;
    reader.at += 1;
    const effect = reader.string();
    if (effect !== undefined) {
      this.#add(effect, [], false);
      return this.#endsImport();
    }
    if (
      reader.sees('type') &&
      !reader.sees('type', 'from', '"') &&
      !reader.sees('type', ',') &&
      !reader.sees('type', '=')
    ) {
      reader.skipUntil(({ type, text }) => type === 'StringLiteral' || text === ';');
      return reader.string() !== undefined && (reader.takes(')') || true) && this.#endsImport();
    }
    if (reader.sees('$', '=', 'require', '(')) {
      reader.at += 2;
      return this.#required([], this.#isTypeScript) && reader.endsStatement();
    }
    const names = this.#bindings();
    const from = names === undefined || !reader.takes('from') ? undefined : reader.string();
    if (names === undefined || from === undefined) return false;
    const one = this.#add(from, [], this.#isTypeScript);
    for (const [name, exported] of names) this.#names.set(name, { reads: one.reads as string[], exported });
    return this.#endsImport();
  }

  /** Reads what `import` binds, as names and what they stand for. */
  #bindings(): ReadonlyMap<string, string> | undefined {
    const reader = this.#reader;
    const names = new Map<string, string>();
    do {
      if (reader.takes('*', 'as')) names.set(reader.next().text, '*');
      else if (reader.takes('{')) {
        while (!reader.takes('}')) {
          if (reader.sees('type', '$') && !reader.sees('type', 'as', '$', 'as')) reader.at += 1;
          const exported = reader.next();
          names.set(reader.takes('as') ? reader.next().text : exported.text, exported.text);
          if (!reader.takes(',') && !reader.sees('}')) return undefined;
        }
      } else if (reader.sees('$')) names.set(reader.next().text, 'default');
      else return undefined;
    } while (reader.takes(','));
    return names;
  }

  /** Goes behind import attributes. */
  #endsImport(): boolean {
    if (this.#reader.takes('with') || this.#reader.takes('assert')) this.#reader.skip();
    return this.#reader.endsStatement();
  }

  #export(): boolean {
    const reader = this.#reader;
    const start = reader.at;
    reader.at += 1;
    if (reader.sees('type', '{') || reader.sees('type', '*')) return reader.skipStatement();
    if (reader.takes('*')) {
      if (reader.takes('as')) reader.at += 1;
      const from = reader.takes('from') ? reader.string() : undefined;
      if (from !== undefined) this.#add(from, [], false);
      return from !== undefined && this.#endsImport();
    }
    if (reader.sees('{')) {
      reader.skip();
      if (!reader.takes('from')) return reader.endsStatement();
      const from = reader.string();
      if (from !== undefined) this.#add(from, [], this.#isTypeScript);
      return from !== undefined && this.#endsImport();
    }
    if (reader.sees('import')) return this.#import();
    if (/^(?:const|let|var)$/.test(reader.peek().text) && !reader.sees('const', 'enum')) return this.#variables();
    reader.at = start;
    return takesDeclaration(reader, this.#names);
  }

  /** `require('name')`, also with the functions of compilers around it. */
  #required(reads: readonly string[], canBeElided = false): boolean {
    const reader = this.#reader;
    const start = reader.at;
    // tslib_1.__importDefault(…)
    if (reader.sees('$', '.', '$', '(') && interop.test(reader.peek(2).text)) reader.at += 2;
    const wrapper = reader.peek().text;
    const isWrapped = reader.sees('$', '(', 'require', '(') && (interop.test(wrapper) || wrapper === '__exportStar');
    if (isWrapped) reader.at += 2;
    if (reader.takes('require', '(')) {
      const name = reader.string();
      const isExported = wrapper === '__exportStar' && reader.sees(')', ',', 'exports', ')');
      const ends = isExported
        ? reader.takes(')', ',', 'exports', ')')
        : reader.takes(')') && (!isWrapped || reader.takes(')'));
      if (name !== undefined && ends) {
        const members: string[] = [];
        while (reader.sees('.', '$')) {
          reader.at += 1;
          members.push(reader.next().text);
        }
        // The value of a property may have accessors as well.
        if (members.length <= 1 && (members.length === 0 || reads.length === 0)) {
          this.#add(name, [...reads, ...members], canBeElided, false);
          return true;
        }
      }
    }
    reader.at = start;
    return false;
  }

  /** `const a = require('a'), { b } = require('b'), c = 1;` */
  #variables(): boolean {
    const reader = this.#reader;
    reader.at += 1;
    do {
      const reads: string[] = [];
      if (reader.sees('{')) {
        if (!this.#pattern(reads) || !reader.takes('=') || !this.#required(reads)) return false;
        continue;
      }
      if (!reader.sees('$')) return false;
      const { text: name } = reader.next();
      if (reader.takes('!') && !reader.sees(':')) return false;
      if (reader.takes(':') && !reader.skipType()) return false;
      if (!reader.takes('=')) continue;
      if (helpers.test(name) && reader.sees('(', 'this', '&&', 'this', '.', name, ')', '||')) {
        reader.skipUntil(({ text, type }) => type === 'End' || text === ';');
        return reader.endsStatement();
      }
      if (!this.#required(reads) && !takesValue(reader, this.#names)) return false;
    } while (reader.takes(','));
    return reader.endsStatement();
  }

  /** `{ a, b: c }`; without defaults, and without further patterns. */
  #pattern(reads: string[]): boolean {
    const reader = this.#reader;
    reader.at += 1;
    while (!reader.takes('}')) {
      if (!reader.sees('$')) return false;
      reads.push(reader.next().text);
      if (reader.takes(':') && !(reader.sees('$') && reader.next())) return false;
      if (!reader.takes(',') && !reader.sees('}')) return false;
    }
    return true;
  }

  /** `module.exports = …`, `exports.a = exports.b = …`. */
  #exportsAssigned(): boolean {
    const reader = this.#reader;
    let isAssigned = false;
    for (;;) {
      const start = reader.at;
      const isModule = reader.takes('module', '.', 'exports');
      if (isModule || reader.takes('exports')) {
        if (reader.takes('.', '$', '=') || reader.takes('=')) {
          isAssigned = true;
          continue;
        }
      }
      reader.at = start;
      break;
    }
    if (!isAssigned) return false;
    return (this.#required([]) || takesValue(reader, this.#names)) && reader.endsStatement();
  }
}
