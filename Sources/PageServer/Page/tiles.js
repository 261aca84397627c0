// What a band's unit says (Sources/FrameStream/BandUnit.swift), and the tiles of exact codings
// (Sources/FrameStream/TileCoder.swift). What is wrong throws.

import { expand } from "./zstd.js";

export const SIDE = 64;
export const CODING = { raw: 0, lossless: 1, h264: 2, hevc: 3 };
const LARGEST_SIDE = 16384;
const fail = (why) => { throw new Error(`unit: ${why}`); };

// Reads a unit that begins at byte `at` of a message.
export function readUnit(bytes, at) {
  if (bytes.length < at + 20) fail("it is cut off");
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  const unit = {
    frame: view.getUint32(0, true),
    band: view.getUint8(4),
    coding: view.getUint8(5),
    isIntra: (view.getUint8(6) & 1) !== 0,
    isRefinement: (view.getUint8(6) & 4) !== 0,
    isRGBA: (view.getUint8(6) & 8) !== 0,
    width: view.getUint16(8, true),
    height: view.getUint16(10, true),
    top: view.getUint16(12, true),
    rows: view.getUint16(14, true),
  };
  const { width, height, top, rows } = unit;
  if (width < 1 || height < 1 || width > LARGEST_SIDE || height > LARGEST_SIDE) fail("its frame has no size");
  if (rows < 1 || top + rows > height || unit.band > 31 || unit.coding > 3) fail("its band makes no sense");
  unit.columns = Math.ceil(width / SIDE);
  unit.tileCount = unit.columns * Math.ceil(rows / SIDE);
  const maskBytes = ((unit.tileCount + 31) >> 5) * 4;
  const start = at + 20 + maskBytes;
  if (start + view.getUint32(16, true) !== bytes.length) fail("it has another size than it says");
  const mask = bytes.subarray(at + 20, start);
  unit.tiles = [];
  for (let i = 0; i < unit.tileCount; i++) if ((mask[i >> 3] >> (i & 7)) & 1) unit.tiles.push(i);
  unit.picture = bytes.subarray(start);
  return unit;
}

// Rectangles of the band that a unit's tiles make, neighbours as one: those of whole rows too.
export function runs(unit) {
  const found = [];
  for (const index of unit.tiles) {
    const x = (index % unit.columns) * SIDE;
    const y = Math.floor(index / unit.columns) * SIDE;
    const w = Math.min(SIDE, unit.width - x);
    const h = Math.min(SIDE, unit.rows - y);
    const last = found[found.length - 1];
    if (last && last.y === y && last.x + last.w === x) last.w += w;
    else found.push({ x, y, w, h });
  }
  const merged = [];
  for (const one of found) {
    const last = merged[merged.length - 1];
    if (last && last.x === one.x && last.w === one.w && last.y + last.h === one.y) last.h += one.h;
    else merged.push(one);
  }
  return merged;
}

const tile = new Uint32Array(SIDE * SIDE);

// Decodes a unit of an exact coding into the pixels of its band, which are as a canvas has them.
export function decodeTiles(unit, pixels) {
  const source = unit.coding === CODING.raw ? new RawTiles(unit.picture) : new CodedTiles(unit.picture, unit);
  for (const index of unit.tiles) {
    const x = (index % unit.columns) * SIDE;
    const y = Math.floor(index / unit.columns) * SIDE;
    const w = Math.min(SIDE, unit.width - x);
    const h = Math.min(SIDE, unit.rows - y);
    source.read(w, h);
    for (let row = 0; row < h; row++) {
      let to = (y + row) * unit.width + x;
      let from = row * w;
      if (unit.isRGBA) {
        for (let i = 0; i < w; i++) pixels[to++] = tile[from++] | 0xFF000000;
      } else {
        for (let i = 0; i < w; i++) {
          const p = tile[from++];
          pixels[to++] = (p & 0xFF00) | ((p >>> 16) & 0xFF) | ((p & 0xFF) << 16) | 0xFF000000;
        }
      }
    }
  }
  source.finish();
}

class RawTiles {
  constructor(bytes) { this.bytes = bytes; this.at = 0; }
  read(w, h) {
    const end = this.at + w * h * 4;
    if (end > this.bytes.length) fail("its tiles are cut off");
    const part = this.bytes.slice(this.at, end);
    tile.set(new Uint32Array(part.buffer));
    this.at = end;
  }
  finish() { if (this.at !== this.bytes.length) fail("it has more than its tiles"); }
}

// Bit positions of each plane's component, and whether green was taken from it.
const COMPONENTS = [[8, false], [0, true], [16, true], [24, false]];

class CodedTiles {
  constructor(bytes, unit) {
    if (bytes.length < 16) fail("it is cut off");
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const [headSize, headCoded, planesSize, planesCoded] = [0, 4, 8, 12].map((at) => view.getUint32(at, true));
    if (16 + headCoded + planesCoded !== bytes.length) fail("its parts are not as long as it says");
    const most = unit.tiles.length * (SIDE * SIDE * 4 + 80);
    if (headSize > most || planesSize > most) fail("it has more than its tiles");
    const part = (start, count, size) => (size ? expand(bytes.subarray(start, start + count), size) : new Uint8Array(0));
    this.head = part(16, headCoded, headSize);
    this.planes = part(16 + headCoded, planesCoded, planesSize);
    this.headAt = 0;
    this.planesAt = 0;
  }

  take(count) {
    const at = this.headAt;
    if (at + count > this.head.length) fail("its tiles are cut off");
    this.headAt = at + count;
    return at;
  }

  pixel() {
    const at = this.take(4);
    const b = this.head;
    return (b[at] | (b[at + 1] << 8) | (b[at + 2] << 16) | (b[at + 3] << 24)) >>> 0;
  }

  read(w, h) {
    switch (this.head[this.take(1)]) {
      case 0: tile.fill(this.pixel(), 0, w * h); break;
      case 1: this.palette(w, h); break;
      case 2: {
        const at = this.take(w * h * 4);
        tile.set(new Uint32Array(this.head.slice(at, at + w * h * 4).buffer));
        break;
      }
      case 3: this.predicted(w, h, 3, this.head[this.take(1)]); break;
      case 4: this.predicted(w, h, 4, 0); break;
      default: fail("a tile is coded in no known way");
    }
  }

  palette(w, h) {
    const count = this.head[this.take(1)];
    if (count < 1 || count > 16) fail("a tile has no colours");
    const colors = new Uint32Array(16);
    for (let i = 0; i < count; i++) colors[i] = this.pixel();
    const bits = count <= 2 ? 1 : count <= 4 ? 2 : 4;
    const perByte = 8 / bits;
    const rowBytes = Math.ceil((w * bits) / 8);
    const low = (1 << bits) - 1;
    let at = this.take(rowBytes * h);
    for (let y = 0; y < h; y++, at += rowBytes) {
      for (let x = 0; x < w; x++) {
        const byte = this.head[at + Math.floor(x / perByte)];
        tile[y * w + x] = colors[(byte >> ((x % perByte) * bits)) & low];
      }
    }
  }

  // Each plane adds its component; a value is that of the median of left, above and both less the corner.
  predicted(w, h, planeCount, alpha) {
    const size = w * h;
    const planes = this.planes;
    if (this.planesAt + planeCount * size > planes.length) fail("its planes are cut off");
    tile.fill((alpha << 24) >>> 0, 0, size);
    let from = this.planesAt;
    const rows = [new Uint8Array(SIDE), new Uint8Array(SIDE)];
    for (const [shift, lessGreen] of COMPONENTS.slice(0, planeCount)) {
      for (let y = 0; y < h; y++) {
        const here = rows[y & 1];
        const above = rows[1 - (y & 1)];
        let left = 0;
        let corner = 0;
        for (let x = 0; x < w; x++) {
          const d = planes[from++];
          if (y === 0) {
            left = (left + d) & 255;
          } else {
            const top = above[x];
            const plane = left + top - corner;
            const low = left < top ? left : top;
            const high = left < top ? top : left;
            left = ((plane < low ? low : plane > high ? high : plane) + d) & 255;
            corner = top;
          }
          here[x] = left;
        }
        let to = y * w;
        for (let x = 0; x < w; x++, to++) {
          const value = lessGreen ? (here[x] + (tile[to] >>> 8)) & 255 : here[x];
          tile[to] |= value << shift;
        }
      }
    }
    this.planesAt = from;
  }

  finish() {
    if (this.headAt !== this.head.length || this.planesAt !== this.planes.length) {
      fail("it has more than its tiles");
    }
  }
}
