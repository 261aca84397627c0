// The worker that talks to the node, decodes, and draws: the page itself is free for its user.

import { proof } from "./proof.js";
import { CODING, decodeTiles, readUnit, runs } from "./tiles.js";

const VERSION = 1;
const tell = (kind, fields = {}) => postMessage({ kind, ...fields });

// ---- Video

// The name that WebCodecs has for the stream that an intra picture begins: from its sequence parameter set.
function codecName(bytes) {
  for (let i = 0; i + 7 < bytes.length; i++) {
    if (bytes[i] === 0 && bytes[i + 1] === 0 && bytes[i + 2] === 1 && (bytes[i + 3] & 31) === 7) {
      const hex = (value) => value.toString(16).padStart(2, "0");
      return `avc1.${hex(bytes[i + 4])}${hex(bytes[i + 5])}${hex(bytes[i + 6])}`;
    }
  }
  throw new Error("an intra picture has no parameters");
}

// The video of one band: one picture in, one picture out.
class VideoBand {
  #decoder = null;
  #name = "";
  #hasReference = false;
  #waiting = new Map();
  #count = 0;

  // A promise of the unit's picture.
  decode(unit) {
    if (unit.isIntra) {
      const name = codecName(unit.picture);
      if (!this.#decoder || this.#decoder.state !== "configured" || name !== this.#name) this.#open(name);
      this.#hasReference = true;
    }
    if (!this.#hasReference) throw new Error("a picture needs one that has not come");
    const timestamp = this.#count++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(timestamp, { resolve, reject });
      try {
        this.#decoder.decode(
          new EncodedVideoChunk({ type: unit.isIntra ? "key" : "delta", timestamp, data: unit.picture }));
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  #open(name) {
    this.close();
    this.#name = name;
    this.#decoder = new VideoDecoder({
      output: (frame) => {
        const waiting = this.#waiting.get(frame.timestamp);
        this.#waiting.delete(frame.timestamp);
        if (waiting) waiting.resolve(frame); else frame.close();
      },
      error: (error) => this.#fail(error),
    });
    this.#decoder.configure({ codec: name, optimizeForLatency: true });
  }

  // Something was lost: what follows needs a picture that needs none before it.
  noteLoss() { this.#hasReference = false; }

  #fail(error) {
    this.#hasReference = false;
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const one of all) one.reject(error);
  }

  close() {
    if (this.#decoder && this.#decoder.state !== "closed") this.#decoder.close();
    this.#decoder = null;
    this.#fail(new Error("closed"));
  }
}

// ---- The picture

class Picture {
  #canvas;
  #context;
  #bands = new Map();
  #frame = null;
  #chain = Promise.resolve();
  #isOver = false;
  #shown;

  // `shown(frame, facts)` is called for each frame when it is drawn.
  constructor(canvas, shown) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false });
    this.#shown = shown;
  }

  #band(unit) {
    let band = this.#bands.get(unit.band);
    if (!band || band.width !== unit.width || band.rows !== unit.rows || band.top !== unit.top) {
      band?.video.close();
      band = { width: unit.width, rows: unit.rows, top: unit.top, video: new VideoBand(), image: null };
      this.#bands.set(unit.band, band);
    }
    return band;
  }

  unit(bytes, at) {
    const unit = readUnit(bytes, at);
    this.#frame ??= { began: performance.now(), parts: [], lost: 0, width: unit.width, height: unit.height };
    const frame = this.#frame;
    const band = this.#band(unit);
    try {
      if (unit.coding === CODING.h264) {
        const video = band.video.decode(unit);
        // Whoever waits for it is told; nobody may wait any more.
        video.catch(() => {});
        frame.parts.push({ unit, band, video });
      } else if (unit.coding === CODING.hevc) {
        throw new Error("HEVC is not shown here");
      } else {
        band.image ??= new ImageData(band.width, band.rows);
        decodeTiles(unit, new Uint32Array(band.image.data.buffer));
        frame.parts.push({ unit, band });
      }
    } catch (error) {
      this.#lose(frame, unit, band, error);
    }
  }

  #lose(frame, unit, band, error) {
    frame.lost |= 1 << unit.band;
    band.video.noteLoss();
    if (!this.#isOver) tell("problem", { text: String(error.message ?? error) });
  }

  // The frame is whole: it is drawn when it is decoded, behind the one before.
  end(facts) {
    const frame = this.#frame ?? { began: performance.now(), parts: [], lost: 0 };
    this.#frame = null;
    const arrived = performance.now();
    this.#chain = this.#chain.then(() => this.#draw(frame, facts, arrived)).catch(
      (error) => tell("problem", { text: String(error) }));
  }

  async #draw(frame, facts, arrived) {
    const bands = [];
    for (const part of frame.parts) {
      const { unit, band } = part;
      try { if (part.video) part.picture = await part.video; } catch (error) {
        this.#lose(frame, unit, band, error);
        part.isLost = true;
      }
    }
    if (!this.#isOver) {
      if (frame.width && (frame.width !== this.#canvas.width || frame.height !== this.#canvas.height)) {
        this.#canvas.width = frame.width;
        this.#canvas.height = frame.height;
        tell("size", { width: frame.width, height: frame.height });
      }
      for (const { unit, band, picture, isLost } of frame.parts) {
        if (isLost) continue;
        const parts = runs(unit);
        for (const { x, y, w, h } of parts) {
          if (picture) this.#context.drawImage(picture, x, y, w, h, x, unit.top + y, w, h);
          else this.#context.putImageData(band.image, 0, unit.top, x, y, w, h);
        }
        bands.push({
          band: unit.band, top: unit.top, rows: unit.rows, coding: unit.coding, isIntra: unit.isIntra,
          isRefinement: unit.isRefinement, bytes: unit.picture.length, parts,
        });
      }
    }
    for (const { picture } of frame.parts) picture?.close();
    const now = performance.now();
    if (!this.#isOver) this.#shown({ ...facts, lost: frame.lost, drawTime: now - arrived, bands });
  }

  close() {
    this.#isOver = true;
    for (const band of this.#bands.values()) band.video.close();
    this.#bands.clear();
  }
}

// ---- The conversation

let canvas = null;
let socket = null;
let picture = null;
let token = "";
let wanted = { application: 0, window: 0n };
let setting = 1;
let attempts = 0;
let isRefused = false;
let roundTrip = 0;
let pings = new Map();
let pingCount = 0;
let timer = 0;

function message(kind, size) {
  const view = new DataView(new ArrayBuffer(size));
  view.setUint8(0, kind);
  return view;
}

function send(view) { if (socket?.readyState === WebSocket.OPEN) socket.send(view.buffer); }

function sendWatch() {
  const view = message(0x82, 16);
  view.setUint32(4, wanted.application, true);
  view.setBigUint64(8, wanted.window, true);
  send(view);
}

// A frame is drawn.
function shown(facts) {
  const view = message(0x83, 16);
  view.setUint32(4, facts.frame, true);
  view.setUint32(8, facts.lost >>> 0, true);
  view.setUint32(12, Math.round(facts.drawTime * 1000), true);
  send(view);
  tell("frame", { ...facts, roundTrip });
}

function ping() {
  const view = message(0x85, 8);
  view.setUint32(4, ++pingCount, true);
  pings.set(pingCount, performance.now());
  if (pings.size > 16) pings.clear();
  send(view);
}

const decoder = new TextDecoder();

function readWindows(view, bytes) {
  const windows = [];
  let at = 8;
  for (let i = view.getUint32(4, true); i > 0; i--) {
    const nameBytes = view.getUint8(at + 21);
    windows.push({
      application: view.getUint32(at, true), process: view.getUint32(at + 4, true),
      window: view.getBigUint64(at + 8, true), width: view.getUint16(at + 16, true),
      height: view.getUint16(at + 18, true), takesInput: view.getUint8(at + 20) !== 0,
      name: decoder.decode(bytes.subarray(at + 24, at + 24 + nameBytes)),
    });
    at += 24 + ((nameBytes + 3) & ~3);
  }
  return windows;
}

function take(bytes) {
  const view = new DataView(bytes.buffer);
  switch (bytes[0]) {
    case 1: {
      if (bytes[1] !== VERSION) {
        isRefused = true;
        tell("notice", { level: 0, text: "this page and the node are of different versions: load the page again" });
        break;
      }
      if (bytes[2] && !token) { isRefused = true; tell("token", {}); socket.close(); break; }
      const hello = message(0x81, 36);
      hello.setUint8(1, VERSION);
      hello.setUint8(2, setting);
      new Uint8Array(hello.buffer).set(bytes[2] ? proof(token, bytes.subarray(4, 36)) : new Uint8Array(32), 4);
      send(hello);
      if (wanted.application) sendWatch();
      break;
    }
    case 2:
      attempts = 0;
      tell("welcome", { rights: bytes[1], viewer: view.getUint32(4, true), setting });
      ping();
      break;
    case 3: {
      const text = decoder.decode(bytes.subarray(4));
      if (bytes[1] === 0) isRefused = true;
      tell("notice", { level: bytes[1], text });
      break;
    }
    case 4: tell("windows", { windows: readWindows(view, bytes) }); break;
    case 5: {
      picture?.close();
      const window = view.getBigUint64(8, true);
      picture = window ? new Picture(canvas, shown) : null;
      tell("begin", { application: view.getUint32(4, true), window });
      break;
    }
    case 6: picture?.unit(bytes, 8); break;
    case 7: {
      const word = (at) => view.getUint32(at, true);
      picture?.end({
        frame: word(4), presented: word(12), waitTime: word(16) / 1000, encodeTime: word(20) / 1000,
        relayTime: word(24) / 1000,
      });
      break;
    }
    case 8: {
      const sent = pings.get(view.getUint32(4, true));
      pings.delete(view.getUint32(4, true));
      if (sent !== undefined) roundTrip = performance.now() - sent;
      break;
    }
  }
}

function open() {
  isRefused = false;
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/view`);
  socket.binaryType = "arraybuffer";
  tell("state", { state: "connecting" });
  socket.onmessage = ({ data }) => {
    try { take(new Uint8Array(data)); } catch (error) { tell("problem", { text: String(error.message ?? error) }); }
  };
  socket.onclose = () => {
    clearInterval(timer);
    picture?.close();
    picture = null;
    if (isRefused) { tell("state", { state: "refused" }); return; }
    // Soon at first, then at longer and longer intervals, none of which all viewers share.
    const pause = Math.min(250 * 2 ** attempts++, 5000) * (0.75 + Math.random() / 2);
    tell("state", { state: "away", pause });
    setTimeout(open, pause);
  };
  timer = setInterval(ping, 1000);
}

async function decodesVideo() {
  if (typeof VideoDecoder === "undefined") return false;
  try {
    const answer = await VideoDecoder.isConfigSupported({ codec: "avc1.640034", optimizeForLatency: true });
    return answer.supported === true;
  } catch { return false; }
}

onmessage = async ({ data }) => {
  switch (data.kind) {
    case "open":
      canvas = data.canvas;
      token = data.token;
      setting = !data.isExact && await decodesVideo() ? 0 : 1;
      open();
      break;
    case "token": token = data.token; open(); break;
    case "watch": wanted = data.wanted; sendWatch(); break;
    case "input": if (socket?.readyState === WebSocket.OPEN) socket.send(data.bytes); break;
    // For who wants to see what happens when the connection is lost.
    case "drop": socket?.close(); break;
  }
};
