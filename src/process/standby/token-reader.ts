/** Reads the tokens of a JavaScript or TypeScript file, without white space and comments. */

import jsTokens, { type Token } from 'js-tokens';

export interface Read {
  readonly type: Token['type'] | 'End';
  readonly text: string;
  /** It is the first one on its line. */
  readonly isFirst: boolean;
}

const skipped: ReadonlySet<Token['type']> = new Set([
  'WhiteSpace',
  'SingleLineComment',
  'MultiLineComment',
  'HashbangComment',
]);
const closers: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };
const end: Read = { type: 'End', text: '', isFirst: true };

/** Words with which a line goes on. */
const operatorWords = /^(?:in|instanceof|as|satisfies|extends|implements|is|of)$/;

const typeOperators = /^(?:keyof|typeof|readonly|infer|unique|extends|is|new|in|type|asserts|as|satisfies)$/;

/** The text is none that this reader understands. */
export class Unreadable extends Error {}

export class TokenReader {
  readonly #tokens: readonly Read[];
  /** The position of the next token. */
  at = 0;

  /** @throws Unreadable */
  constructor(text: string) {
    const tokens: Read[] = [];
    let isFirst = true;
    for (const token of jsTokens(text)) {
      const { value } = token;
      // Decorators are not a part of the language yet.
      const type = value === '@' ? 'Punctuator' : token.type;
      if (type === 'Invalid' || ('closed' in token && !token.closed)) throw new Unreadable();
      if (type === 'LineTerminatorSequence' || (type === 'MultiLineComment' && /[\n\r]/.test(value))) isFirst = true;
      if (skipped.has(type) || type === 'LineTerminatorSequence') continue;
      tokens.push({ type, text: value, isFirst });
      isFirst = false;
    }
    this.#tokens = tokens;
  }

  /** The token after the next `ahead` ones. */
  peek(ahead = 0): Read {
    return this.#tokens[this.at + ahead] ?? end;
  }

  get isOver(): boolean {
    return this.at >= this.#tokens.length;
  }

  /** Whether the next tokens are these. `$` stands for any name, `"` for any string. */
  sees(...texts: readonly string[]): boolean {
    return texts.every((text, ahead) => {
      const token = this.peek(ahead);
      if (text === '$') return token.type === 'IdentifierName';
      return text === '"' ? token.type === 'StringLiteral' : token.text === text && token.type !== 'StringLiteral';
    });
  }

  /** Goes behind the next tokens, if they are these. */
  takes(...texts: readonly string[]): boolean {
    if (!this.sees(...texts)) return false;
    this.at += texts.length;
    return true;
  }

  /** @throws Unreadable at the end of the text */
  next(): Read {
    if (this.isOver) throw new Unreadable();
    const token = this.peek();
    this.at += 1;
    return token;
  }

  /** Reads a string literal; undefined if the next token is none, or has escapes. */
  string(): string | undefined {
    const { type, text } = this.peek();
    if (type !== 'StringLiteral' || text.includes('\\')) return undefined;
    this.at += 1;
    return text.slice(1, -1);
  }

  /** Goes behind one token, or a group in brackets or a template. @throws Unreadable */
  skip(): void {
    const { type, text } = this.next();
    if (type === 'TemplateHead') {
      while (this.peek().type !== 'TemplateTail') this.#skipInner();
      this.at += 1;
      return;
    }
    const closer = type === 'Punctuator' ? closers[text] : undefined;
    if (closer === undefined) return;
    while (this.peek().text !== closer || this.peek().type !== 'Punctuator') this.#skipInner();
    this.at += 1;
  }

  /** Skips groups until a token outside of brackets fulfils the condition. @throws Unreadable at the end of the text */
  skipUntil(isLast: (token: Read) => boolean): void {
    while (!isLast(this.peek())) this.#skipInner();
  }

  /** Whether a statement can end here: goes behind a semicolon, if there is one. */
  endsStatement(): boolean {
    return this.takes(';') || this.isOver || this.sees('}') || (this.peek().isFirst && this.beginsStatement);
  }

  /** Whether the next token, at the begin of a line, begins a statement. Others may belong to the line before. */
  get beginsStatement(): boolean {
    const { type, text } = this.peek();
    if (type === 'IdentifierName') return !operatorWords.test(text);
    return type === 'StringLiteral' || text === '@';
  }

  /** Goes to the end of a statement that has no effect at run time. Returns false if it is not clear where that is. */
  skipStatement(): boolean {
    this.skip();
    const isClear = this.#skipTypes(/^;$/);
    this.takes(';');
    return isClear;
  }

  /** Goes to the end of a type in a statement. Returns false if it is not clear where that is. */
  skipType(): boolean {
    return this.#skipTypes(/^[=,;)\]}]$/);
  }

  #skipTypes(last: RegExp): boolean {
    while (!this.isOver) {
      const { type, text, isFirst } = this.peek();
      if (type === 'Punctuator' && last.test(text)) return true;
      if (isFirst && !this.#goesOn(this.peek(-1), this.peek())) return this.beginsStatement || text === '}';
      if (text === '}') return false;
      this.skip();
    }
    return true;
  }

  /** Whether a type goes on in the next line. */
  #goesOn(before: Read, { type, text }: Read): boolean {
    if (before.type === 'Punctuator' && !/^(?:[)\]}]|>+)$/.test(before.text)) return true;
    if (before.type === 'IdentifierName' && typeOperators.test(before.text)) return true;
    return type === 'IdentifierName' ? operatorWords.test(text) : /^(?:[|&?:.,>=]|=>|\?\.)$/.test(text);
  }

  /** Goes behind type parameters or arguments, if there are any. @throws Unreadable */
  skipTypeArguments(): void {
    if (!this.sees('<')) return;
    let depth = 0;
    do {
      const { text, type } = this.peek();
      if (type === 'Punctuator' && text === '<') depth += 1;
      if (type === 'Punctuator' && /^>+$/.test(text)) depth -= text.length;
      this.#skipInner();
    } while (depth > 0);
    if (depth < 0) throw new Unreadable();
  }

  /** Whether a token from here on fulfils the condition, which may look at those around it. */
  some(isMeant: (token: Read, around: (distance: number) => Read) => boolean): boolean {
    const tokens = this.#tokens;
    return tokens.some((token, at) => at >= this.at && isMeant(token, (distance) => tokens[at + distance] ?? end));
  }

  #skipInner(): void {
    const { type, text } = this.peek();
    if (this.isOver || (type === 'Punctuator' && /^[)\]}]$/.test(text)) || type === 'TemplateTail')
      throw new Unreadable();
    if (type === 'TemplateMiddle') this.at += 1;
    else this.skip();
  }
}
