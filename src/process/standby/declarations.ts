/**
 * Statements and expressions that call nothing when they are evaluated: functions, classes without decorators, types, and
 * values made of literals. All others, and those that are not understood, are refused.
 */

import type { TokenReader } from './token-reader.ts';

/** Names that an `import` binds: compiled code reads them as properties of what was loaded. */
export type Names = Map<string, { readonly reads: string[]; readonly exported: string }>;

const literals = 'true false null undefined NaN Infinity';
const arithmetic = '+ - * / % ** | & ^ << >> >>>';

const isIn = (list: string, word: string): boolean => list.split(' ').includes(word);

/** Goes behind a declaration that calls nothing. Returns false for all other statements. @throws Unreadable */
export function takesDeclaration(reader: TokenReader, names: Names): boolean {
  let isDefault = false;
  if (reader.takes('export')) isDefault = reader.takes('default');
  if (reader.takes('declare')) return skipDeclared(reader);
  if (isDefault && reader.takes('abstract', 'class')) return takesClass(reader, names);
  if (reader.takes('abstract', 'class') || reader.takes('class')) return takesClass(reader, names);
  if (reader.takes('async', 'function') || reader.takes('function')) return takesFunction(reader);
  if (reader.takes('interface', '$')) {
    reader.skipUntil(({ text }) => text === '{');
    reader.skip();
    return true;
  }
  if (reader.sees('type', '$')) return reader.skipStatement();
  if (reader.takes('const', 'enum', '$') || reader.takes('enum', '$')) return takesEnum(reader);
  if (reader.takes('Object', '.', 'defineProperty', '(', 'exports', ',')) {
    return (
      reader.string() !== undefined &&
      reader.takes(',') &&
      takesValue(reader, names) &&
      reader.takes(')') &&
      reader.endsStatement()
    );
  }
  return isDefault && takesValue(reader, names) && reader.endsStatement();
}

/** `declare module 'x' { … }`, `declare const a: string`. */
function skipDeclared(reader: TokenReader): boolean {
  if (reader.sees('module') || reader.sees('global') || reader.sees('namespace')) {
    reader.skipUntil(({ text }) => text === '{');
    reader.skip();
    return true;
  }
  return reader.skipStatement();
}

/** Goes behind a value whose evaluation calls nothing. @throws Unreadable */
export function takesValue(reader: TokenReader, names: Names): boolean {
  const start = reader.at;
  if (!takesOperand(reader, names)) return false;
  while (isIn(arithmetic, reader.peek().text) && reader.peek().type === 'Punctuator') {
    // An operator calls methods of objects.
    if (!isLiteral(reader, start, reader.at)) return false;
    reader.at += 1;
    const operand = reader.at;
    if (!takesOperand(reader, names) || !isLiteral(reader, operand, reader.at)) return false;
  }
  while (reader.takes('as') || reader.takes('satisfies')) if (!reader.skipType()) return false;
  return true;
}

const isLiteral = (reader: TokenReader, from: number, to: number): boolean => {
  for (let at = from; at < to; at += 1) {
    const { type, text } = reader.peek(at - reader.at);
    const isPlain = type === 'NumericLiteral' || type === 'StringLiteral' || type === 'NoSubstitutionTemplate';
    if (!isPlain && !(type === 'Punctuator' && (isIn(arithmetic, text) || text === '~'))) return false;
  }
  return true;
};

function takesOperand(reader: TokenReader, names: Names): boolean {
  const { type, text } = reader.peek();
  if (/^(?:StringLiteral|NumericLiteral|NoSubstitutionTemplate|RegularExpressionLiteral)$/.test(type)) {
    reader.at += 1;
    return true;
  }
  if (type === 'Punctuator') {
    if (isIn('- + ~ !', text)) {
      reader.at += 1;
      const operand = reader.at;
      return takesOperand(reader, names) && isLiteral(reader, operand, reader.at);
    }
    if (text === '[') return takesList(reader, names);
    if (text === '{') return takesObject(reader, names);
    return text === '(' && takesArrow(reader);
  }
  if (type !== 'IdentifierName') return false;
  if (reader.takes('void')) return reader.next().type === 'NumericLiteral';
  if (reader.takes('async', 'function') || reader.takes('function')) return takesFunction(reader);
  if (reader.takes('class')) return takesClass(reader, names);
  if (reader.sees('async', '(')) {
    reader.at += 1;
    return takesArrow(reader);
  }
  if (reader.takes('async', '$', '=>') || reader.takes('$', '=>')) return takesBody(reader);
  if (isIn(literals, text)) {
    reader.at += 1;
    return true;
  }
  return takesName(reader, names);
}

/** The name of a local value, or of an imported one, which is read. */
function takesName(reader: TokenReader, names: Names): boolean {
  const { text, type } = reader.peek();
  if (type !== 'IdentifierName' || /^(?:new|await|yield|typeof|delete|import|require|super|this|throw)$/.test(text))
    return false;
  reader.at += 1;
  const imported = names.get(text);
  if (imported !== undefined) imported.reads.push(imported.exported);
  // A call, a property, or a template.
  return (
    !/^(?:[.(["`]|\?\.|=|[-+*/%&|^]?=|\+\+|--|\?|\?\?|&&|\|\||[<>]=?|[!=]==?|!)$/.test(reader.peek().text) &&
    !/Template/.test(reader.peek().type) &&
    !/^(?:instanceof|in)$/.test(reader.peek().text)
  );
}

function takesList(reader: TokenReader, names: Names): boolean {
  reader.at += 1;
  while (!reader.takes(']')) {
    if (!takesValue(reader, names)) return false;
    if (!reader.takes(',') && !reader.sees(']')) return false;
  }
  return isComplete(reader);
}

function takesObject(reader: TokenReader, names: Names): boolean {
  reader.at += 1;
  while (!reader.takes('}')) {
    if (!takesProperty(reader, names)) return false;
    if (!reader.takes(',') && !reader.sees('}')) return false;
  }
  return isComplete(reader);
}

function takesProperty(reader: TokenReader, names: Names): boolean {
  const isAccessor =
    (reader.sees('get') || reader.sees('set') || reader.sees('async')) && !/^[,:(}]$/.test(reader.peek(1).text);
  if (isAccessor) reader.at += 1;
  reader.takes('*');
  const { type } = reader.peek();
  if (!/^(?:IdentifierName|StringLiteral|NumericLiteral)$/.test(type)) return false;
  // A prototype may be a proxy.
  if (reader.sees('__proto__')) return false;
  if (type === 'IdentifierName' && /^[,}]$/.test(reader.peek(1).text)) return takesName(reader, names);
  reader.at += 1;
  if (reader.takes(':')) return takesValue(reader, names);
  if (!takesParameters(reader) || !reader.sees('{')) return false;
  reader.skip();
  return true;
}

/** Whether nothing is done with a value: no call, no property is read. */
const isComplete = (reader: TokenReader): boolean =>
  !/^(?:[.([]|\?\.)$/.test(reader.peek().text) && !/Template/.test(reader.peek().type);

/** `(…) => …`, from the parenthesis on. */
function takesArrow(reader: TokenReader): boolean {
  return takesParameters(reader) && reader.takes('=>') && takesBody(reader);
}

/** The body of an arrow function. */
function takesBody(reader: TokenReader): boolean {
  if (reader.sees('{')) {
    reader.skip();
    return true;
  }
  for (;;) {
    const { text, type, isFirst } = reader.peek();
    if (type === 'End' || (type === 'Punctuator' && /^[,;)\]}]$/.test(text))) return true;
    if (isFirst && reader.beginsStatement) return true;
    reader.skip();
  }
}

/** Behind `function`. */
function takesFunction(reader: TokenReader): boolean {
  reader.takes('*');
  if (!reader.sees('(') && !reader.sees('<')) reader.takes('$');
  if (!takesParameters(reader)) return false;
  // The signature of an overload.
  if (reader.takes(';')) return true;
  if (!reader.sees('{')) return reader.peek().isFirst && reader.beginsStatement;
  reader.skip();
  return !reader.sees('(') && !reader.sees('.');
}

/** Goes behind type parameters, parameters and the type of the result. A type that begins with a brace is not clear. */
function takesParameters(reader: TokenReader): boolean {
  reader.skipTypeArguments();
  if (!reader.sees('(')) return false;
  reader.skip();
  if (!reader.takes(':')) return true;
  while (!reader.sees('{') && !reader.sees(';') && !reader.sees('=>')) {
    if (reader.isOver || (reader.peek().isFirst && reader.beginsStatement)) return reader.isOver || true;
    if (reader.sees('<')) reader.skipTypeArguments();
    else reader.skip();
  }
  const before = reader.peek(-1).text;
  return !/^(?:[:|&]|is|extends)$/.test(before);
}

/** Behind `class`. */
function takesClass(reader: TokenReader, names: Names): boolean {
  if (!reader.sees('extends') && !reader.sees('{')) reader.takes('$');
  reader.skipTypeArguments();
  if (reader.takes('extends')) {
    if (!reader.sees('$') || !takesBase(reader, names)) return false;
    reader.skipTypeArguments();
  }
  if (reader.takes('implements')) {
    while (!reader.sees('{')) {
      if (reader.sees('<')) reader.skipTypeArguments();
      else reader.skip();
    }
  }
  if (!reader.takes('{')) return false;
  while (!reader.takes('}')) if (!takesMember(reader)) return false;
  return !reader.sees('(') && !reader.sees('.');
}

function takesBase(reader: TokenReader, names: Names): boolean {
  const { text } = reader.next();
  const imported = names.get(text);
  if (imported !== undefined) imported.reads.push(imported.exported);
  return text !== 'class' && text !== 'function' && /^[{<]$|^implements$/.test(reader.peek().text);
}

/** A token of the body of a class. Decorators, computed names, static values and blocks are evaluated with the class. */
function takesMember(reader: TokenReader): boolean {
  const { text, type, isFirst } = reader.peek();
  if (text === '@' && type === 'Punctuator') return false;
  if (text === '[' && type === 'Punctuator') {
    const before = reader.peek(-1).text;
    if (
      isFirst ||
      /^(?:[;{}]|static|async|get|set|\*|readonly|public|private|protected|declare|override|abstract|accessor)$/.test(
        before,
      )
    )
      return false;
  }
  if (text === 'static' && type === 'IdentifierName' && !/^[(:=;?!}]$/.test(reader.peek(1).text)) {
    reader.at += 1;
    while (/^(?:async|get|set|readonly|override)$/.test(reader.peek().text) && !/^[(<]$/.test(reader.peek(1).text))
      reader.at += 1;
    reader.takes('*');
    if (!/^(?:IdentifierName|PrivateIdentifier|StringLiteral)$/.test(reader.next().type)) return false;
    return reader.sees('(') || reader.sees('<');
  }
  reader.skip();
  return true;
}

/** Behind the name of an `enum`. */
function takesEnum(reader: TokenReader): boolean {
  if (!reader.takes('{')) return false;
  while (!reader.takes('}')) {
    const { type, text } = reader.next();
    const isPlain = /^(?:IdentifierName|StringLiteral|NumericLiteral|NoSubstitutionTemplate)$/.test(type);
    if (!isPlain && !isIn(`= , ${arithmetic} ~`, text)) return false;
  }
  return true;
}
