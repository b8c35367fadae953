// A labelled dataset as the kernel sends it: dimensions, variables along them, attributes.

import type { ArrayRef } from "../../generated/messages";
import type { AnswerType } from "../../wire/question";
import { decode, type NumArray } from "./arrays";
import { isRecord } from "./model";

interface Encoded {
  dims: Record<string, number>;
  variables: Record<string, { dims: string[]; values: ArrayRef | unknown[] }>;
  attrs: object;
}

/** The answer to a question. Numbers are decoded when they are first read, and once. */
export class Dataset<A extends AnswerType = AnswerType> {
  readonly attrs: A["attrs"];
  readonly dims: Readonly<Record<string, number>>;
  readonly #encoded: Encoded;
  readonly #buffers: readonly DataView[];
  readonly #decoded = new Map<string, NumArray>();

  private constructor(encoded: Encoded, attrs: A["attrs"], buffers: readonly DataView[]) {
    this.#encoded = encoded;
    this.#buffers = buffers;
    this.dims = encoded.dims;
    this.attrs = attrs;
  }

  /** Of a reply's result. Throws for what is no dataset. */
  static read<A extends AnswerType>(raw: unknown, buffers: readonly DataView[]): Dataset<A> {
    if (!isEncoded(raw)) throw new Error("the reply holds no dataset");
    if (!hasAttrs<A>(raw.attrs)) throw new Error("the reply has no attributes");
    return new Dataset<A>(raw, raw.attrs, buffers);
  }

  /** Whether a variable that may be left out is there. */
  has(name: A["numbers"] | A["texts"]): boolean {
    return name in this.#encoded.variables;
  }

  /** Names of all variables, coordinates first where the kernel put them first. */
  get names(): string[] {
    return Object.keys(this.#encoded.variables);
  }

  dimsOf(name: A["numbers"] | A["texts"]): readonly string[] {
    return this.#variable(name).dims;
  }

  /** A numeric variable with its shape, row-major. */
  array(name: A["numbers"]): NumArray {
    const known = this.#decoded.get(name);
    if (known) return known;
    const { values } = this.#variable(name);
    const decoded = Array.isArray(values)
      ? { shape: this.dimsOf(name).map((dim) => this.dims[dim] ?? 0), data: inline(values) }
      : decode(values, this.#buffers);
    this.#decoded.set(name, decoded);
    return decoded;
  }

  /** A numeric variable's values. */
  numbers(name: A["numbers"]): Float32Array {
    return this.array(name).data;
  }

  /** Numbers as they are, whole ones of any size too, such as counts of parameters. */
  whole(name: A["numbers"]): readonly number[] {
    const { values } = this.#variable(name);
    return Array.isArray(values)
      ? values.flat(Number.POSITIVE_INFINITY).map(Number)
      : [...this.numbers(name)];
  }

  /** A text variable's values, row-major. */
  texts(name: A["texts"]): readonly string[] {
    const { values } = this.#variable(name);
    if (!Array.isArray(values)) throw new Error(`${name} holds numbers`);
    return values.flat(Number.POSITIVE_INFINITY).map(String);
  }

  isText(name: string): boolean {
    const values = this.#encoded.variables[name]?.values;
    return Array.isArray(values) && typeof values.flat(Number.POSITIVE_INFINITY)[0] !== "number";
  }

  /** Whether a numeric variable's values are as computed, not rounded to a byte each. */
  isExact(name: A["numbers"]): boolean {
    const { values } = this.#variable(name);
    return !Array.isArray(values) && (values.dtype === "float32" || values.dtype === "int32");
  }

  /** The sides of the block of which each value of the last two axes is the largest; 1 x 1 where exact. */
  poolOf(name: A["numbers"]): readonly [number, number] {
    const { values } = this.#variable(name);
    const [rows = 1, columns = 1] = Array.isArray(values) ? [] : (values.pool ?? []);
    return [rows, columns];
  }

  #variable(name: string): { dims: string[]; values: ArrayRef | unknown[] } {
    const found = this.#encoded.variables[name];
    if (!found) throw new Error(`the answer has no ${name}`);
    return found;
  }
}

function inline(values: unknown[]): Float32Array {
  return Float32Array.from(values.flat(Number.POSITIVE_INFINITY), Number);
}

/** Whether a reply's result is a dataset. */
export function isEncoded(raw: unknown): raw is Encoded {
  return isRecord(raw) && isRecord(raw.dims) && isRecord(raw.variables) && isRecord(raw.attrs);
}

/** The kernel holds its answers against their declarations before it sends them. */
function hasAttrs<A extends AnswerType>(attrs: object): attrs is A["attrs"] {
  return isRecord(attrs);
}
