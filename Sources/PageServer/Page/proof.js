// Shows that the user holds a token, without sending it (Sources/Transport/Token.swift). By hand, since a page that
// came without TLS is given no `crypto.subtle`.

const K = new Uint32Array(64);
const START = new Uint32Array(8);
{
  // FIPS 180-4 §4.2.2 and §5.3.3: the first bits of the fractional parts of roots of the first primes.
  let count = 0;
  for (let n = 2; count < 64; n++) {
    let isPrime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) isPrime = false;
    if (!isPrime) continue;
    const bits = (root) => Math.floor((root - Math.floor(root)) * 2 ** 32);
    if (count < 8) START[count] = bits(Math.sqrt(n));
    K[count++] = bits(Math.cbrt(n));
  }
}

export function sha256(bytes) {
  const padded = new Uint8Array(((bytes.length + 72) >> 6) << 6);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  new DataView(padded.buffer).setUint32(padded.length - 4, bytes.length * 8);
  const words = new DataView(padded.buffer);
  const state = START.slice();
  const w = new Uint32Array(64);
  const turn = (x, n) => (x >>> n) | (x << (32 - n));
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 16; i++) w[i] = words.getUint32(at + i * 4);
    for (let i = 16; i < 64; i++) {
      const a = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ (w[i - 15] >>> 3);
      const b = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ (w[i - 2] >>> 10);
      w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + t1) | 0;
      d = c; c = b; b = a; a = (t1 + t2) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((value, i) => { state[i] += value; });
  }
  const out = new Uint8Array(32);
  state.forEach((value, i) => new DataView(out.buffer).setUint32(i * 4, value));
  return out;
}

function joined(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) { out.set(part, at); at += part.length; }
  return out;
}

export function hmac(key, bytes) {
  const block = new Uint8Array(64);
  block.set(key.length > 64 ? sha256(key) : key);
  const inner = sha256(joined(block.map((x) => x ^ 0x36), bytes));
  return sha256(joined(block.map((x) => x ^ 0x5c), inner));
}

const text = new TextEncoder();

// The proof for a nonce; zeros without a token.
export function proof(token, nonce) {
  const trimmed = token.replace(/^[ \t-\r]+|[ \t-\r]+$/g, "");
  if (!trimmed) return new Uint8Array(32);
  const key = sha256(joined(text.encode("omega token 1"), text.encode(trimmed)));
  return hmac(key, joined(text.encode("omega viewer proof 1"), nonce));
}
