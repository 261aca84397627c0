// The page: what its user does goes to the worker, and what the worker says is shown.

const $ = (id) => document.getElementById(id);
const canvas = $("picture");
const overlay = $("overlay");
const worker = new Worker("picture.js", { type: "module" });

const state = {
  rights: 0, viewer: 0, setting: 1, connection: "connecting", windows: [], application: 0, window: 0n,
  width: 0, height: 0, frames: 0, presented: 0, problems: [], notice: "", welcomes: 0,
};
// For whoever looks into the page from outside.
globalThis.omega = state;

// ---- Token: from the address, where it is not left, or asked for

const fragment = decodeURIComponent(location.hash.slice(1)).replace(/^token=/, "");
if (fragment) {
  sessionStorage.setItem("token", fragment);
  history.replaceState(null, "", location.pathname + location.search);
}
const view = canvas.transferControlToOffscreen();
worker.postMessage(
  {
    kind: "open", canvas: view, token: sessionStorage.getItem("token") ?? "",
    isExact: new URLSearchParams(location.search).has("exact"),
  }, [view]);

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = $("token").value;
  $("token").value = "";
  if (!token) return;
  sessionStorage.setItem("token", token);
  $("token-form").hidden = true;
  worker.postMessage({ kind: "token", token });
});

function askForToken(text) {
  sessionStorage.removeItem("token");
  $("token-text").textContent = text;
  $("token-form").hidden = false;
  $("token").focus();
}

// ---- From the worker

function say(text) {
  state.notice = text;
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

function showState() {
  const name = state.windows.find((one) => one.window === state.window)?.name ?? "";
  document.title = name ? `${name} – Omega` : "Omega";
  const texts = {
    connecting: "connecting…", away: "the node is away; trying again…", refused: "refused",
    open: state.window ? (state.rights ? "may operate" : "looks on") : "nothing is shown yet",
  };
  $("state").textContent = texts[state.connection];
  $("state").dataset.state = state.connection;
  canvas.classList.toggle("stale", state.connection !== "open" || !state.window);
}

worker.onmessage = ({ data }) => {
  switch (data.kind) {
    case "state":
      state.connection = data.state;
      if (data.state !== "connecting") releaseAll();
      break;
    case "token": askForToken("This node shows itself to holders of a token."); break;
    case "welcome":
      Object.assign(state, { rights: data.rights, viewer: data.viewer, setting: data.setting, connection: "open" });
      state.welcomes++;
      $("token-form").hidden = true;
      say("");
      break;
    case "notice":
      say(data.text);
      if (data.level === 0 && /token/.test(data.text)) askForToken(data.text);
      break;
    case "windows": state.windows = data.windows; fillWindows(); break;
    case "begin":
      Object.assign(state, { application: data.application, window: data.window });
      fillWindows();
      break;
    case "size":
      Object.assign(state, { width: data.width, height: data.height });
      overlay.width = data.width;
      overlay.height = data.height;
      for (const one of [canvas, overlay]) one.style.aspectRatio = `${data.width} / ${data.height}`;
      break;
    case "frame": noteFrame(data); return;
    case "problem":
      state.problems.push(data.text);
      if (state.problems.length > 20) state.problems.shift();
      return;
  }
  showState();
};

function fillWindows() {
  const list = $("windows");
  list.replaceChildren(...state.windows.map((one) => {
    const item = document.createElement("option");
    item.value = `${one.application}/${one.window}`;
    // The first connection of an application is made before there is a process to it.
    const process = one.process ? ` (${one.process})` : "";
    item.textContent = `${one.name || "an application"}${process} ${one.width} × ${one.height}`;
    item.selected = one.application === state.application && one.window === state.window;
    return item;
  }));
  list.hidden = state.windows.length < 2;
}

$("windows").addEventListener("change", ({ target }) => {
  const [application, window] = target.value.split("/");
  worker.postMessage({ kind: "watch", wanted: { application: Number(application), window: BigInt(window) } });
  canvas.focus();
});

// ---- Overlay: where the time goes, and what each band is

const figures = { times: [], wait: 0, encode: 0, relay: 0, network: 0, draw: 0, bytes: 0, presented: [] };
const smooth = (name, value) => { figures[name] += 0.1 * (value - figures[name]); };
let showsOverlay = false;

function noteFrame(frame) {
  state.frames++;
  state.presented = frame.presented;
  const now = performance.now();
  figures.times.push(now);
  figures.presented.push([now, frame.presented]);
  while (figures.times[0] < now - 1000) figures.times.shift();
  while (figures.presented[0][0] < now - 1000) figures.presented.shift();
  smooth("wait", frame.waitTime);
  smooth("encode", frame.encodeTime);
  smooth("relay", frame.relayTime);
  smooth("network", frame.roundTrip / 2);
  smooth("draw", frame.drawTime);
  smooth("bytes", frame.bands.reduce((sum, band) => sum + band.bytes, 0));
  if (showsOverlay) drawBands(frame.bands);
}

const COLORS = ["#ff5", "#5f5", "#5bf", "#f5f"];

function drawBands(bands) {
  const context = overlay.getContext("2d");
  for (const band of bands) {
    context.clearRect(0, band.top, overlay.width, band.rows);
    context.strokeStyle = COLORS[band.coding];
    context.lineWidth = band.isIntra && band.coding > 1 ? 4 : 1;
    context.setLineDash(band.isRefinement ? [4, 4] : []);
    for (const { x, y, w, h } of band.parts) context.strokeRect(x + 1, band.top + y + 1, w - 2, h - 2);
    context.fillStyle = COLORS[band.coding];
    context.fillText(`${band.band}  ${band.bytes} B`, 4, band.top + 12);
  }
}

setInterval(() => {
  if (!showsOverlay) return;
  const f = figures;
  const rates = f.presented.length > 1
    ? (f.presented.at(-1)[1] - f.presented[0][1]) / ((f.presented.at(-1)[0] - f.presented[0][0]) / 1000) : 0;
  const ms = (value) => value.toFixed(1).padStart(5);
  const total = f.wait + f.encode + f.relay + f.network + f.draw;
  $("figures").textContent = [
    `shown     ${f.times.length} fps of ${rates.toFixed(0)}`,
    `frame     ${(f.bytes / 1000).toFixed(1)} kB  ${state.setting ? "exact" : "video"}`,
    `waiting   ${ms(f.wait)} ms`, `coding    ${ms(f.encode)} ms`, `relaying  ${ms(f.relay)} ms`,
    `network   ${ms(f.network)} ms`, `drawing   ${ms(f.draw)} ms`, `latency   ${ms(total)} ms`,
  ].join("\n");
}, 250);

$("overlay-button").addEventListener("click", () => {
  showsOverlay = !showsOverlay;
  $("figures").hidden = !showsOverlay;
  overlay.hidden = !showsOverlay;
  overlay.getContext("2d").clearRect(0, 0, overlay.width, overlay.height);
  canvas.focus();
});
$("screen-button").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen(); else $("stage").requestFullscreen();
  canvas.focus();
});
$("pointer-button").addEventListener("click", () => canvas.requestPointerLock());

// ---- Input

let batch = [];
let batchTimer = 0;

function put(kind, isPressed, code, x, y) {
  if (!state.window || state.connection !== "open") return;
  batch.push([kind, isPressed ? 1 : 0, code, x, y]);
  if (batch.length === 64) flush();
}

function flush() {
  clearTimeout(batchTimer);
  batchTimer = 0;
  if (batch.length === 0) return;
  const data = new DataView(new ArrayBuffer(4 + batch.length * 16));
  data.setUint8(0, 0x84);
  data.setUint8(1, batch.length);
  batch.forEach(([kind, isPressed, code, x, y], i) => {
    const at = 4 + i * 16;
    data.setUint8(at, kind);
    data.setUint8(at + 1, isPressed);
    data.setUint16(at + 2, code, true);
    data.setInt32(at + 4, x, true);
    data.setInt32(at + 8, y, true);
  });
  batch = [];
  worker.postMessage({ kind: "input", bytes: data.buffer }, [data.buffer]);
}

// Movements come more often than screens show: the last of a few milliseconds is enough.
function putSoon(kind, x, y) {
  const last = batch[batch.length - 1];
  if (last?.[0] === kind) {
    if (kind === 5) { last[3] = limit(last[3] + x, 4096); last[4] = limit(last[4] + y, 4096); }
    else { last[3] = x; last[4] = y; }
  } else {
    put(kind, false, 0, x, y);
  }
  batchTimer ||= setTimeout(flush, 4);
}

const limit = (value, most) => Math.max(-most, Math.min(most, Math.round(value)));

// Linux's numbers of keys by their places (input-event-codes.h), as the UI Events specification names them.
const KEYS = {};
[
  [1, "Escape Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace Tab KeyQ "
    + "KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter ControlLeft KeyA KeyS KeyD KeyF "
    + "KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backquote ShiftLeft Backslash KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma "
    + "Period Slash ShiftRight NumpadMultiply AltLeft Space CapsLock F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 NumLock "
    + "ScrollLock Numpad7 Numpad8 Numpad9 NumpadSubtract Numpad4 Numpad5 Numpad6 NumpadAdd Numpad1 Numpad2 Numpad3 "
    + "Numpad0 NumpadDecimal"],
  [86, "IntlBackslash F11 F12 IntlRo"], [92, "Convert KanaMode NonConvert"],
  [96, "NumpadEnter ControlRight NumpadDivide PrintScreen AltRight"],
  [102, "Home ArrowUp PageUp ArrowLeft ArrowRight End ArrowDown PageDown Insert Delete"],
  [113, "AudioVolumeMute AudioVolumeDown AudioVolumeUp"], [117, "NumpadEqual"], [119, "Pause"],
  [121, "NumpadComma Lang1 Lang2 IntlYen MetaLeft MetaRight ContextMenu"],
  [183, "F13 F14 F15 F16 F17 F18 F19 F20 F21 F22 F23 F24"],
].forEach(([first, names]) => names.split(" ").forEach((name, i) => { KEYS[name] = first + i; }));

const pressedKeys = new Set();
const pressedButtons = new Set();

function releaseAll() {
  for (const code of pressedKeys) put(1, false, code, 0, 0);
  for (const button of pressedButtons) put(3, false, button, place.x, place.y);
  pressedKeys.clear();
  pressedButtons.clear();
  flush();
}

function key(event, isPressed) {
  const code = KEYS[event.code];
  if (!code || !$("token-form").hidden) return;
  event.preventDefault();
  if (isPressed) {
    if (event.repeat) return;
    pressedKeys.add(code);
  } else if (!pressedKeys.delete(code)) {
    return;
  }
  put(1, isPressed, code, 0, 0);
  flush();
}
canvas.addEventListener("keydown", (event) => key(event, true));
canvas.addEventListener("keyup", (event) => key(event, false));
canvas.addEventListener("blur", releaseAll);
addEventListener("blur", releaseAll);

let place = { x: 0, y: 0 };

// Where an event is in the picture.
function locate(event) {
  const box = canvas.getBoundingClientRect();
  const inside = (value, size) => Math.max(0, Math.min(size - 1, Math.floor(value)));
  place = {
    x: inside(((event.clientX - box.left) / box.width) * state.width, state.width),
    y: inside(((event.clientY - box.top) / box.height) * state.height, state.height),
  };
  return place;
}

const isLocked = () => document.pointerLockElement === canvas;

canvas.addEventListener("pointermove", (event) => {
  if (!state.width) return;
  if (isLocked()) return putSoon(5, limit(event.movementX, 4096), limit(event.movementY, 4096));
  const { x, y } = locate(event);
  putSoon(2, x, y);
});
const BUTTONS = [1, 2, 3, 8, 9];
// Each button has mouse events of its own; pointer events tell the first pressed and the last released alone.
canvas.addEventListener("mousedown", (event) => {
  if (!state.width) return;
  event.preventDefault();
  canvas.focus();
  const { x, y } = isLocked() ? place : locate(event);
  const button = BUTTONS[event.button];
  if (!button) return;
  pressedButtons.add(button);
  put(3, true, button, x, y);
  flush();
});
addEventListener("mouseup", (event) => {
  const button = BUTTONS[event.button];
  if (!pressedButtons.delete(button)) return;
  const { x, y } = isLocked() ? place : locate(event);
  put(3, false, button, x, y);
  flush();
});
canvas.addEventListener("contextmenu", (event) => event.preventDefault());
canvas.addEventListener("auxclick", (event) => event.preventDefault());

// Parts of notches add up.
const wheel = { x: 0, y: 0 };
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const notch = [100, 3, 1][event.deltaMode];
  wheel.x += event.deltaX / notch;
  wheel.y += event.deltaY / notch;
  const x = Math.trunc(wheel.x);
  const y = Math.trunc(wheel.y);
  if (!x && !y) return;
  wheel.x -= x;
  wheel.y -= y;
  put(4, false, 0, limit(x, 16), limit(y, 16));
  flush();
}, { passive: false });

// ---- Gamepads: asked as often as the page is drawn

const pads = new Map();

function lookAtPads() {
  for (const pad of navigator.getGamepads?.() ?? []) {
    if (!pad || pad.mapping !== "standard" || pad.index > 3) continue;
    const known = pads.get(pad.index) ?? { buttons: [], axes: [] };
    pads.set(pad.index, known);
    // The two triggers are axes to a game.
    const axes = [...pad.axes.slice(0, 4), pad.buttons[6]?.value ?? 0, pad.buttons[7]?.value ?? 0];
    axes.forEach((value, i) => {
      const whole = limit(value * 32767, 32767);
      if (known.axes[i] !== whole) put(7, false, i, whole, pad.index);
      known.axes[i] = whole;
    });
    pad.buttons.slice(0, 17).forEach(({ pressed }, i) => {
      if ((known.buttons[i] ?? false) !== pressed) put(6, pressed, i, 0, pad.index);
      known.buttons[i] = pressed;
    });
  }
  flush();
  if (pads.size) requestAnimationFrame(lookAtPads);
}
addEventListener("gamepadconnected", () => { if (!pads.size) lookAtPads(); });
addEventListener("gamepaddisconnected", ({ gamepad }) => {
  const known = pads.get(gamepad.index);
  known?.buttons.forEach((pressed, i) => { if (pressed) put(6, false, i, 0, gamepad.index); });
  known?.axes.forEach((value, i) => { if (value) put(7, false, i, 0, gamepad.index); });
  flush();
  pads.delete(gamepad.index);
});

globalThis.omegaDrop = () => worker.postMessage({ kind: "drop" });
canvas.focus();
showState();
