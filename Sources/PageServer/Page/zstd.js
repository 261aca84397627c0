// Expands Zstandard frames (RFC 8878) without dictionaries. What it is given comes from the network: everything is
// checked, and what is wrong throws.

const fail = (why) => { throw new Error(`zstd: ${why}`); };

// Reads bits from the lowest on.
class ForwardBits {
  constructor(bytes, start, end) { this.bytes = bytes; this.at = start * 8; this.end = end * 8; }
  peek(count) {
    let value = 0;
    const byte = this.at >> 3;
    for (let i = 3; i >= 0; i--) value = value * 256 + (this.bytes[byte + i] ?? 0);
    return Math.floor(value / 2 ** (this.at & 7)) & ((1 << count) - 1);
  }
  skip(count) { this.at += count; }
  get isBeyond() { return this.at > this.end; }
}

// Reads bits from the last on, below the highest that is set (§4.1).
class BackwardBits {
  constructor(bytes, start, end) {
    if (end <= start || bytes[end - 1] === 0) fail("a bit stream has no end");
    this.bytes = bytes;
    this.start = start;
    // Bits that are left, before `start` they are zeros.
    this.left = (end - start) * 8 - (Math.clz32(bytes[end - 1]) - 24) - 1;
  }
  read(count) {
    if (count === 0) return 0;
    this.left -= count;
    return this.window(this.left, count);
  }
  // `count` bits from bit `at` on, at most 25.
  window(at, count) {
    if (at < 0) {
      if (at + count <= 0) return 0;
      return (this.window(0, at + count) << -at) >>> 0;
    }
    const byte = this.start + (at >> 3);
    const b = this.bytes;
    const word = (b[byte] | (b[byte + 1] << 8) | (b[byte + 2] << 16) | (b[byte + 3] << 24)) >>> (at & 7);
    return count === 32 ? word : word & ((1 << count) - 1);
  }
}

// ---- Finite state entropy (§4.1)

// A decoding table from counts; -1 counts as less than one.
function fseTable(counts, log) {
  const size = 1 << log;
  const symbols = new Uint8Array(size);
  const bits = new Uint8Array(size);
  const bases = new Uint16Array(size);
  const next = new Uint16Array(counts.length);
  let high = size;
  counts.forEach((count, symbol) => {
    if (count === -1) { symbols[--high] = symbol; next[symbol] = 1; } else { next[symbol] = count; }
  });
  const step = (size >> 1) + (size >> 3) + 3;
  let place = 0;
  counts.forEach((count, symbol) => {
    for (let i = 0; i < count; i++) {
      symbols[place] = symbol;
      do place = (place + step) & (size - 1); while (place >= high);
    }
  });
  if (place !== 0) fail("a table does not fill its states");
  for (let state = 0; state < size; state++) {
    const n = next[symbols[state]]++;
    bits[state] = log - (31 - Math.clz32(n));
    bases[state] = (n << bits[state]) - size;
  }
  return { log, symbols, bits, bases };
}

const single = (symbol) => ({
  log: 0, symbols: Uint8Array.of(symbol), bits: Uint8Array.of(0), bases: Uint16Array.of(0),
});

// Reads a table's description; [table, byte behind it].
function readTable(bytes, start, end, mostLog, mostSymbol) {
  const input = new ForwardBits(bytes, start, end);
  const log = input.peek(4) + 5;
  input.skip(4);
  if (log > mostLog) fail("a table is too large");
  let rest = (1 << log) + 1;
  let threshold = 1 << log;
  let width = log + 1;
  const counts = [];
  while (rest > 1) {
    if (counts.length > mostSymbol || input.isBeyond) fail("a table is damaged");
    const most = 2 * threshold - 1 - rest;
    let value = input.peek(width);
    if ((value & (threshold - 1)) < most) {
      value &= threshold - 1;
      input.skip(width - 1);
    } else {
      value &= 2 * threshold - 1;
      if (value >= threshold) value -= most;
      input.skip(width);
    }
    const count = value - 1;
    rest -= Math.abs(count);
    counts.push(count);
    if (count === 0) {
      for (;;) {
        const repeat = input.peek(2);
        input.skip(2);
        for (let i = 0; i < repeat; i++) counts.push(0);
        if (repeat < 3) break;
        if (input.isBeyond) fail("a table is damaged");
      }
    }
    while (rest < threshold) { width--; threshold >>= 1; }
  }
  if (rest !== 1 || input.isBeyond || counts.length > mostSymbol + 1) fail("a table is damaged");
  return [fseTable(counts, log), (input.at + 7) >> 3];
}

// ---- Huffman (§4.2)

const mostHuffmanBits = 11;

function huffmanTable(weights) {
  let sum = 0;
  for (const weight of weights) if (weight) sum += 1 << (weight - 1);
  if (sum === 0) fail("a code has no symbols");
  const log = 32 - Math.clz32(sum);
  if (log > mostHuffmanBits) fail("a code is too long");
  const left = (1 << log) - sum;
  if (left & (left - 1)) fail("a code is not complete");
  const all = [...weights, 32 - Math.clz32(left)];
  const size = 1 << log;
  const symbols = new Uint8Array(size);
  const bits = new Uint8Array(size);
  let at = 0;
  for (let weight = 1; weight <= log; weight++) {
    for (let symbol = 0; symbol < all.length; symbol++) {
      if (all[symbol] !== weight) continue;
      const count = 1 << (weight - 1);
      symbols.fill(symbol, at, at + count);
      bits.fill(log + 1 - weight, at, at + count);
      at += count;
    }
  }
  if (at !== size) fail("a code is not complete");
  return { log, symbols, bits };
}

function readHuffman(bytes, start, end) {
  if (start >= end) fail("a code is cut off");
  const head = bytes[start];
  const weights = [];
  if (head >= 128) {
    const count = head - 127;
    const stop = start + 1 + ((count + 1) >> 1);
    if (stop > end) fail("a code is cut off");
    for (let i = 0; i < count; i++) {
      const pair = bytes[start + 1 + (i >> 1)];
      weights.push(i & 1 ? pair & 15 : pair >> 4);
    }
    return [huffmanTable(weights), stop];
  }
  const stop = start + 1 + head;
  if (stop > end) fail("a code is cut off");
  const [table, from] = readTable(bytes, start + 1, stop, 6, 255);
  const input = new BackwardBits(bytes, from, stop);
  let a = input.read(table.log);
  let b = input.read(table.log);
  // Two states take turns until the bits are used up (§4.2.1.2).
  for (;;) {
    if (weights.length > 253) fail("a code has too many symbols");
    weights.push(table.symbols[a]);
    if (input.left < table.bits[a]) { weights.push(table.symbols[b]); break; }
    a = table.bases[a] + input.read(table.bits[a]);
    weights.push(table.symbols[b]);
    if (input.left < table.bits[b]) { weights.push(table.symbols[a]); break; }
    b = table.bases[b] + input.read(table.bits[b]);
  }
  if (weights.some((weight) => weight > mostHuffmanBits)) fail("a code is too long");
  return [huffmanTable(weights), stop];
}

function huffmanStream(bytes, start, end, table, out, from, to) {
  const input = new BackwardBits(bytes, start, end);
  const { log, symbols, bits } = table;
  let left = input.left;
  for (let i = from; i < to; i++) {
    const state = input.window(left - log, log);
    out[i] = symbols[state];
    left -= bits[state];
  }
  if (left !== 0) fail("a stream of literals is damaged");
}

// ---- Sequences (§3.1.1.3.2)

const lengthTable = (bits, start) => {
  const bases = [];
  let base = start;
  for (const count of bits) { bases.push(base); base += 2 ** count; }
  return { bits, bases };
};
const literalLengths = lengthTable(
  [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12,
    13, 14, 15, 16], 0);
const matchLengths = lengthTable(
  [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1,
    1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], 3);
const defaults = {
  literals: fseTable(
    [4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1,
      -1, -1, -1], 6),
  matches: fseTable(
    [1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
      1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1], 6),
  offsets: fseTable(
    [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1], 5),
};

class Expander {
  constructor(bytes, size) {
    this.bytes = bytes;
    this.out = new Uint8Array(size);
    this.filled = 0;
    this.huffman = null;
    this.tables = {};
    this.offsets = [1, 4, 8];
  }

  frame() {
    const b = this.bytes;
    const word = (at, count) => {
      let value = 0;
      for (let i = count - 1; i >= 0; i--) value = value * 256 + (b[at + i] ?? fail("it is cut off"));
      return value;
    };
    if (word(0, 4) !== 0xFD2FB528) fail("it does not begin like a frame");
    const flags = word(4, 1);
    const isSingle = flags & 32;
    if (flags & 8 || flags & 3) fail("it needs what is not known here");
    let at = 5 + (isSingle ? 0 : 1);
    const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][flags >> 6];
    if (sizeBytes) {
      const size = word(at, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
      if (size !== this.out.length) fail("it has another size than was said");
    }
    at += sizeBytes;
    for (let isLast = false; !isLast;) {
      const head = word(at, 3);
      at += 3;
      isLast = (head & 1) !== 0;
      const kind = (head >> 1) & 3;
      const size = head >> 3;
      const stop = at + (kind === 1 ? 1 : size);
      if (stop > b.length) fail("a block is cut off");
      if (kind === 3 || size > 1 << 17) fail("a block is of no known kind");
      if (kind === 2) {
        this.block(at, stop);
      } else {
        const end = this.filled + size;
        if (end > this.out.length) fail("it has more than was said");
        if (kind === 1) this.out.fill(b[at], this.filled, end);
        else this.out.set(b.subarray(at, stop), this.filled);
        this.filled = end;
      }
      at = stop;
    }
    if (this.filled !== this.out.length) fail("it has less than was said");
    return this.out;
  }

  block(start, end) {
    const b = this.bytes;
    const [literals, at] = this.literals(start, end);
    if (at >= end) fail("a block is cut off");
    let count = b[at];
    let next = at + 1;
    if (count >= 128) {
      if (count < 255) { count = ((count - 128) << 8) + b[at + 1]; next = at + 2; }
      else { count = b[at + 1] + (b[at + 2] << 8) + 0x7F00; next = at + 3; }
    }
    let used = 0;
    if (count > 0) used = this.sequences(next, end, count, literals);
    const rest = literals.subarray(used);
    if (this.filled + rest.length > this.out.length) fail("it has more than was said");
    this.out.set(rest, this.filled);
    this.filled += rest.length;
  }

  literals(start, end) {
    const b = this.bytes;
    const head = b[start];
    const kind = head & 3;
    const format = (head >> 2) & 3;
    const byte = (i) => (start + i < end ? b[start + i] : fail("literals are cut off"));
    if (kind < 2) {
      let size;
      let at;
      if (!(format & 1)) { size = head >> 3; at = start + 1; }
      else if (format === 1) { size = (head >> 4) + (byte(1) << 4); at = start + 2; }
      else { size = (head >> 4) + (byte(1) << 4) + (byte(2) << 12); at = start + 3; }
      if (size > 1 << 17) fail("literals are too many");
      if (kind === 1) {
        if (at >= end) fail("literals are cut off");
        return [new Uint8Array(size).fill(b[at]), at + 1];
      }
      if (at + size > end) fail("literals are cut off");
      return [b.subarray(at, at + size), at + size];
    }
    const isFour = format !== 0;
    let size;
    let coded;
    let at;
    if (format < 2) {
      const value = (head >> 4) + byte(1) * 16 + byte(2) * 4096;
      size = value & 1023; coded = value >> 10; at = start + 3;
    } else if (format === 2) {
      const value = (head >> 4) + byte(1) * 16 + byte(2) * 4096 + byte(3) * 2 ** 20;
      size = value & 16383; coded = Math.floor(value / 16384); at = start + 4;
    } else {
      const value = (head >> 4) + byte(1) * 16 + byte(2) * 4096 + byte(3) * 2 ** 20 + byte(4) * 2 ** 28;
      size = value % 262144; coded = Math.floor(value / 262144); at = start + 5;
    }
    const stop = at + coded;
    if (stop > end || size > 1 << 17) fail("literals are cut off");
    if (kind === 2) [this.huffman, at] = readHuffman(b, at, stop);
    if (!this.huffman) fail("literals have no code");
    const out = new Uint8Array(size);
    if (!isFour) {
      huffmanStream(b, at, stop, this.huffman, out, 0, size);
      return [out, stop];
    }
    if (at + 6 > stop) fail("literals are cut off");
    const part = (size + 3) >> 2;
    if (part * 3 > size) fail("literals are too few for four streams");
    let from = at + 6;
    for (let i = 0; i < 4; i++) {
      const to = i < 3 ? from + b[at + i * 2] + (b[at + i * 2 + 1] << 8) : stop;
      if (to > stop) fail("literals are cut off");
      huffmanStream(b, from, to, this.huffman, out, part * i, i < 3 ? part * (i + 1) : size);
      from = to;
    }
    return [out, stop];
  }

  table(name, mode, at, end, mostLog, mostSymbol) {
    switch (mode) {
      case 0: this.tables[name] = defaults[name]; return at;
      case 1:
        if (at >= end || this.bytes[at] > mostSymbol) fail("a table is damaged");
        this.tables[name] = single(this.bytes[at]);
        return at + 1;
      case 2: {
        const [table, next] = readTable(this.bytes, at, end, mostLog, mostSymbol);
        this.tables[name] = table;
        return next;
      }
      default:
        if (!this.tables[name]) fail("a table is repeated that was not there");
        return at;
    }
  }

  // Carries sequences out; literals that they used.
  sequences(start, end, count, literals) {
    if (start >= end) fail("sequences are cut off");
    const modes = this.bytes[start];
    if (modes & 3) fail("sequences are damaged");
    let at = this.table("literals", modes >> 6, start + 1, end, 9, 35);
    at = this.table("offsets", (modes >> 4) & 3, at, end, 8, 31);
    at = this.table("matches", (modes >> 2) & 3, at, end, 9, 52);
    const { literals: L, offsets: O, matches: M } = this.tables;
    const input = new BackwardBits(this.bytes, at, end);
    let l = input.read(L.log);
    let o = input.read(O.log);
    let m = input.read(M.log);
    const out = this.out;
    const known = this.offsets;
    let filled = this.filled;
    let used = 0;
    for (let n = 0; n < count; n++) {
      const offsetBits = O.symbols[o];
      const high = offsetBits > 16 ? input.read(offsetBits - 16) * 65536 : 0;
      const code = 2 ** offsetBits + high + input.read(Math.min(offsetBits, 16));
      const matchCode = M.symbols[m];
      const match = matchLengths.bases[matchCode] + input.read(matchLengths.bits[matchCode]);
      const literalCode = L.symbols[l];
      const length = literalLengths.bases[literalCode] + input.read(literalLengths.bits[literalCode]);
      let offset;
      if (code > 3) {
        offset = code - 3;
        known[2] = known[1]; known[1] = known[0]; known[0] = offset;
      } else {
        // The last three are named by 1 to 3; without literals the first is none of them (§3.1.1.5).
        const index = code - 1 + (length === 0 ? 1 : 0);
        offset = index === 3 ? known[0] - 1 : known[index];
        if (index > 1) known[2] = known[1];
        if (index > 0) { known[1] = known[0]; known[0] = offset; }
      }
      if (n + 1 < count) {
        l = L.bases[l] + input.read(L.bits[l]);
        m = M.bases[m] + input.read(M.bits[m]);
        o = O.bases[o] + input.read(O.bits[o]);
      }
      if (used + length > literals.length || filled + length + match > out.length) {
        fail("a sequence leaves its bounds");
      }
      for (let i = 0; i < length; i++) out[filled + i] = literals[used + i];
      used += length;
      filled += length;
      if (offset <= 0 || offset > filled) fail("a sequence leaves its bounds");
      if (offset >= match && match > 32) out.copyWithin(filled, filled - offset, filled - offset + match);
      else for (let i = 0; i < match; i++) out[filled + i] = out[filled - offset + i];
      filled += match;
    }
    if (input.left !== 0) fail("sequences are damaged");
    this.filled = filled;
    return used;
  }
}

// Expands the frame that `bytes` are, which is known to have `size` bytes.
export function expand(bytes, size) {
  return new Expander(bytes, size).frame();
}
