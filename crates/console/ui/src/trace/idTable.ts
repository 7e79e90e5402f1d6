// Ids as numbers, and where each of them is. Pure. As texts in a Map 100,000 ids and their parents take a browser a tenth of a second, so a hundredth.

/** Two words for each id of 16 hex digits, written one after the other. */
export function wordsOf(digits: string): Uint32Array {
  const words = new Uint32Array(digits.length / WORD);
  for (let word = 0; word < words.length; word += 1) {
    let value = 0;
    for (let i = word * WORD; i < word * WORD + WORD; i += 1) {
      const code = digits.charCodeAt(i);
      // `0` to `9` are 0x30 to 0x39, letters follow 0x40 or 0x60.
      value = (value << 4) | ((code & 15) + (code >> 6) * 9);
    }
    words[word] = value;
  }
  return words;
}

/** Digits of a word. */
const WORD = 8;
const FREE = -1;

export class IdTable {
  /** 1 for an id that was there before. */
  readonly again: Uint8Array;

  readonly #words: Uint32Array;
  /** Places of ids, each in the slot that its words say or in the next free one; half of them stay free. */
  readonly #slots: Int32Array;

  constructor(words: Uint32Array) {
    const size = words.length / 2;
    this.#words = words;
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * size + 1))).fill(FREE);
    this.again = new Uint8Array(size);
    for (let at = 0; at < size; at += 1) {
      const slot = this.#slotOf(words[2 * at]!, words[2 * at + 1]!);
      if (this.#slots[slot] === FREE) this.#slots[slot] = at;
      else this.again[at] = 1;
    }
  }

  /** Of the first such id; -1 when there is none. */
  placeOf(high: number, low: number): number {
    return this.#slots[this.#slotOf(high, low)]!;
  }

  #slotOf(high: number, low: number): number {
    const slots = this.#slots;
    const last = slots.length - 1;
    // Ids of some senders count up: multiplied they are strewn all the same.
    const mixed = Math.imul(high ^ Math.imul(low, 0x9e37_79b1), 0x85eb_ca6b);
    let slot = (mixed ^ (mixed >>> 15)) & last;
    for (let found = slots[slot]!; found !== FREE; found = slots[slot]!) {
      if (this.#words[2 * found] === high && this.#words[2 * found + 1] === low) break;
      slot = (slot + 1) & last;
    }
    return slot;
  }
}
