/**
 * The live path's inner loops for WebAssembly, in AssemblyScript: log mel frames two at a time, and the normalisation of
 * a window. scripts/build-kernel.mjs compiles it into src/features/kernel/mel-kernel-binary.ts; mel-kernel.ts there lays
 * out the memory and says what each area holds.
 *
 * The two lanes of a vector belong to two neighbouring frames, so no arithmetic ever crosses lanes. Doubles throughout:
 * in single precision a band 80 dB below the loudest would be off by more than 1e-4 dB.
 */

let nFft: i32 = 0;
let winLength: i32 = 0;
let hopLength: i32 = 0;
let nMels: i32 = 0;
let power: f64 = 2;

// Where things lie, in bytes.
let input: i32 = 0;
let analysisWindow: i32 = 0;
let roots: i32 = 0;
let packed: i32 = 0;
let workA: i32 = 0;
let workB: i32 = 0;
let powers: i32 = 0;
let firstBin: i32 = 0;
let offsets: i32 = 0;
let weights: i32 = 0;

export function setup(nFft_: i32, winLength_: i32, hopLength_: i32, nMels_: i32, power_: f64): void {
  nFft = nFft_;
  winLength = winLength_;
  hopLength = hopLength_;
  nMels = nMels_;
  power = power_;
}

export function place(input_: i32, analysisWindow_: i32, roots_: i32, packed_: i32, workA_: i32, workB_: i32, powers_: i32, firstBin_: i32, offsets_: i32, weights_: i32): void {
  input = input_;
  analysisWindow = analysisWindow_;
  roots = roots_;
  packed = packed_;
  workA = workA_;
  workB = workB_;
  powers = powers_;
  firstBin = firstBin_;
  offsets = offsets_;
  weights = weights_;
}

/** First byte that the module does not use itself. */
export function heapBase(): i32 {
  return <i32>__heap_base;
}

/** 10·log10 of the mel power of `count` frames from `input` on; band b of frame t goes to the float at out + 4·(b·stride + t). */
export function frames(count: i32, out: i32, stride: i32): void {
  for (let t = 0; t < count; t += 2) {
    const second = t + 1 < count ? hopLength : 0;
    const start = input + 4 * t * hopLength;
    pack(start, start + 4 * second);
    takePowers(transform());
    mel(out + 4 * t, 4 * stride, t + 1 < count);
  }
}

/** Windowed samples 2n and 2n + 1 become real and imaginary part of point n of a transform of half the length. */
function pack(a: i32, b: i32): void {
  const points = (winLength + 1) >> 1;
  for (let n = 0; n < points; n++) {
    const w = v128.load(analysisWindow + 16 * n);
    const x = f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(a + 8 * n)), w);
    const y = f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(b + 8 * n)), w);
    v128.store(packed + 32 * n, v128.shuffle<f64>(x, y, 0, 2));
    v128.store(packed + 32 * n, v128.shuffle<f64>(x, y, 1, 3), 16);
  }
}

/** Stockham's transform of nFft / 2 complex points, radix 4 with one pass of radix 2 where needed; returns where the result lies. */
function transform(): i32 {
  const points = nFft >> 1;
  let from = packed;
  let to = workA;
  let n = points;
  let s = 1;
  while (n > 1) {
    if ((n & 3) == 0) {
      radix4(from, to, n >> 2, s);
      n >>= 2;
      s <<= 2;
    } else {
      radix2(from, to, n >> 1, s);
      n >>= 1;
      s <<= 1;
    }
    from = to;
    to = from == workA ? workB : workA;
  }
  return from;
}

function radix4(from: i32, to: i32, m: i32, s: i32): void {
  const quarter = 32 * s * m;
  const row = 32 * s;
  for (let p = 0; p < m; p++) {
    const w = roots + 16 * p * s;
    const w1r = v128.load64_splat(w);
    const w1i = v128.load64_splat(w, 8);
    const w2r = v128.load64_splat(w + 16 * p * s);
    const w2i = v128.load64_splat(w + 16 * p * s, 8);
    const w3r = v128.load64_splat(w + 32 * p * s);
    const w3i = v128.load64_splat(w + 32 * p * s, 8);
    let x = from + row * p;
    let y = to + 4 * row * p;
    for (let q = 0; q < s; q++, x += 32, y += 32) {
      const ar = v128.load(x);
      const ai = v128.load(x, 16);
      const br = v128.load(x + quarter);
      const bi = v128.load(x + quarter, 16);
      const cr = v128.load(x + 2 * quarter);
      const ci = v128.load(x + 2 * quarter, 16);
      const dr = v128.load(x + 3 * quarter);
      const di = v128.load(x + 3 * quarter, 16);
      const sumACr = f64x2.add(ar, cr);
      const sumACi = f64x2.add(ai, ci);
      const difACr = f64x2.sub(ar, cr);
      const difACi = f64x2.sub(ai, ci);
      const sumBDr = f64x2.add(br, dr);
      const sumBDi = f64x2.add(bi, di);
      const difBDr = f64x2.sub(br, dr);
      const difBDi = f64x2.sub(bi, di);
      v128.store(y, f64x2.add(sumACr, sumBDr));
      v128.store(y, f64x2.add(sumACi, sumBDi), 16);
      // (a − c) ∓ i·(b − d)
      rotate(y + row, f64x2.add(difACr, difBDi), f64x2.sub(difACi, difBDr), w1r, w1i, p);
      rotate(y + 2 * row, f64x2.sub(sumACr, sumBDr), f64x2.sub(sumACi, sumBDi), w2r, w2i, p);
      rotate(y + 3 * row, f64x2.sub(difACr, difBDi), f64x2.add(difACi, difBDr), w3r, w3i, p);
    }
  }
}

function radix2(from: i32, to: i32, m: i32, s: i32): void {
  const half = 32 * s * m;
  const row = 32 * s;
  for (let p = 0; p < m; p++) {
    const w = roots + 16 * p * s;
    const wr = v128.load64_splat(w);
    const wi = v128.load64_splat(w, 8);
    let x = from + row * p;
    let y = to + 2 * row * p;
    for (let q = 0; q < s; q++, x += 32, y += 32) {
      const ar = v128.load(x);
      const ai = v128.load(x, 16);
      const br = v128.load(x + half);
      const bi = v128.load(x + half, 16);
      v128.store(y, f64x2.add(ar, br));
      v128.store(y, f64x2.add(ai, bi), 16);
      rotate(y + row, f64x2.sub(ar, br), f64x2.sub(ai, bi), wr, wi, p);
    }
  }
}

/** Stores (re + i·im) · w; w is 1 for p = 0. */
function rotate(to: i32, re: v128, im: v128, wr: v128, wi: v128, p: i32): void {
  if (p == 0) {
    v128.store(to, re);
    v128.store(to, im, 16);
  } else {
    v128.store(to, f64x2.sub(f64x2.mul(re, wr), f64x2.mul(im, wi)));
    v128.store(to, f64x2.add(f64x2.mul(re, wi), f64x2.mul(im, wr)), 16);
  }
}

/**
 * |X|^power of bins 0 … nFft/2 from the transform Z of the packed samples. The window table is halved, so that
 * even + odd part need no division; bins 0 and nFft/2 make up for it.
 */
function takePowers(z: i32): void {
  const points = nFft >> 1;
  // The roots of the packed transform are followed by those of the whole one.
  const whole = roots + 16 * points;
  const re0 = v128.load(z);
  const im0 = v128.load(z, 16);
  const dc = f64x2.add(re0, im0);
  const nyquist = f64x2.sub(re0, im0);
  v128.store(powers, f64x2.mul(f64x2.splat(4), f64x2.mul(dc, dc)));
  v128.store(powers + 16 * points, f64x2.mul(f64x2.splat(4), f64x2.mul(nyquist, nyquist)));
  for (let k = 1; k <= points >> 1; k++) {
    const j = points - k;
    const kr = v128.load(z + 32 * k);
    const ki = v128.load(z + 32 * k, 16);
    const jr = v128.load(z + 32 * j);
    const ji = v128.load(z + 32 * j, 16);
    const evenR = f64x2.add(kr, jr);
    const evenI = f64x2.sub(ki, ji);
    const oddR = f64x2.add(ki, ji);
    const oddI = f64x2.sub(jr, kr);
    const wr = v128.load64_splat(whole + 16 * k);
    const wi = v128.load64_splat(whole + 16 * k, 8);
    const tr = f64x2.sub(f64x2.mul(wr, oddR), f64x2.mul(wi, oddI));
    const ti = f64x2.add(f64x2.mul(wr, oddI), f64x2.mul(wi, oddR));
    v128.store(powers + 16 * k, squared(f64x2.add(evenR, tr), f64x2.add(evenI, ti)));
    v128.store(powers + 16 * j, squared(f64x2.sub(evenR, tr), f64x2.sub(evenI, ti)));
  }
  if (power != 2) raise();
}

function squared(re: v128, im: v128): v128 {
  return f64x2.add(f64x2.mul(re, re), f64x2.mul(im, im));
}

function raise(): void {
  const exponent = power * 0.5;
  for (let at = powers; at < powers + 8 * (nFft + 2); at += 8) store<f64>(at, Math.pow(load<f64>(at), exponent));
}

function mel(out: i32, stride: i32, both: bool): void {
  for (let band = 0; band < nMels; band++, out += stride) {
    let at = powers + 16 * load<i32>(firstBin + 4 * band);
    const end = weights + 8 * load<i32>(offsets + 4 * band + 4);
    let sum = f64x2.splat(0);
    for (let w = weights + 8 * load<i32>(offsets + 4 * band); w < end; w += 8, at += 16) {
      sum = f64x2.add(sum, f64x2.mul(v128.load64_splat(w), v128.load(at)));
    }
    const db = f32x4.demote_f64x2_zero(decibels(sum));
    if (both) v128.store64_lane(out, db, 0);
    else v128.store32_lane(out, db, 0);
  }
}

/** 10·log10(max(x, 1e-30)): exponent, and ln of the mantissa m in √½ … √2 as 2·artanh((m − 1) / (m + 1)), within 1e-9 dB. */
function decibels(x: v128): v128 {
  const bits = f64x2.max(x, f64x2.splat(1e-30));
  let mantissa = v128.or(v128.and(bits, i64x2.splat(0x000fffffffffffff)), i64x2.splat(0x3ff0000000000000));
  const large = f64x2.gt(mantissa, f64x2.splat(Math.SQRT2));
  mantissa = v128.bitselect(f64x2.mul(mantissa, f64x2.splat(0.5)), mantissa, large);
  // An integer below 2^52 put into the mantissa of 2^52 reads as 2^52 + integer.
  const biased = f64x2.sub(v128.or(i64x2.shr_u(bits, 52), i64x2.splat(0x4330000000000000)), f64x2.splat(4503599627370496 + 1023));
  const exponent = f64x2.add(biased, v128.and(large, f64x2.splat(1)));
  const s = f64x2.div(f64x2.sub(mantissa, f64x2.splat(1)), f64x2.add(mantissa, f64x2.splat(1)));
  const s2 = f64x2.mul(s, s);
  let series = f64x2.splat(1.0 / 11);
  series = f64x2.add(f64x2.mul(series, s2), f64x2.splat(1.0 / 9));
  series = f64x2.add(f64x2.mul(series, s2), f64x2.splat(1.0 / 7));
  series = f64x2.add(f64x2.mul(series, s2), f64x2.splat(1.0 / 5));
  series = f64x2.add(f64x2.mul(series, s2), f64x2.splat(1.0 / 3));
  series = f64x2.add(f64x2.mul(series, s2), f64x2.splat(1));
  return f64x2.add(f64x2.mul(exponent, f64x2.splat(3.010299956639812)), f64x2.mul(f64x2.splat(8.685889638065037), f64x2.mul(s, series)));
}

/** Largest value of `rows` rows of `columns` floats. */
export function largest(from: i32, stride: i32, rows: i32, columns: i32): f32 {
  let max = f32x4.splat(-Infinity);
  let rest: f32 = -Infinity;
  const vectors = columns & ~3;
  for (let row = 0; row < rows; row++, from += 4 * stride) {
    for (let i = 0; i < vectors; i += 4) max = f32x4.max(max, v128.load(from + 4 * i));
    for (let i = vectors; i < columns; i++) rest = Mathf.max(rest, load<f32>(from + 4 * i));
  }
  const pair = Mathf.max(f32x4.extract_lane(max, 0), f32x4.extract_lane(max, 1));
  return Mathf.max(rest, Mathf.max(pair, Mathf.max(f32x4.extract_lane(max, 2), f32x4.extract_lane(max, 3))));
}

/**
 * rows × columns floats at `to` = max(value − shift, floor); by `mode`: 0 no more; 1 less each row's mean, or 2 less
 * the mean of all, and then over (standard deviation, ddof 1, + guard).
 */
export function normalise(from: i32, stride: i32, rows: i32, columns: i32, shift: f32, floor: f32, mode: i32, guard: f64, to: i32): void {
  let total: f64 = 0;
  let squares: f64 = 0;
  for (let row = 0; row < rows; row++) {
    const target = to + 4 * row * columns;
    const sum = floored(from + 4 * row * stride, columns, shift, floor, target);
    if (mode == 1) squares += centred(target, columns, <f32>(sum / columns));
    total += sum;
  }
  if (mode == 0) return;
  const count = rows * columns;
  if (mode == 2) squares = centred(to, count, <f32>(total / count));
  scaled(to, count, <f32>(1 / (Math.sqrt(squares / max<i32>(1, count - 1)) + guard)));
}

function floored(from: i32, columns: i32, shift: f32, floor: f32, to: i32): f64 {
  const vectors = columns & ~3;
  const shifts = f32x4.splat(shift);
  const floors = f32x4.splat(floor);
  let sums = f32x4.splat(0);
  for (let i = 0; i < 4 * vectors; i += 16) {
    const value = f32x4.max(f32x4.sub(v128.load(from + i), shifts), floors);
    v128.store(to + i, value);
    sums = f32x4.add(sums, value);
  }
  let sum = across(sums);
  for (let i = 4 * vectors; i < 4 * columns; i += 4) {
    const value = Mathf.max(load<f32>(from + i) - shift, floor);
    store<f32>(to + i, value);
    sum += value;
  }
  return sum;
}

/** Subtracts `mean` in place; returns the sum of squares of what is left. */
function centred(at: i32, count: i32, mean: f32): f64 {
  const vectors = count & ~3;
  const means = f32x4.splat(mean);
  let squares: f64 = 0;
  // Single precision holds the sum of a stretch; stretches are added in double.
  for (let start = 0; start < vectors; start += 256) {
    let sums = f32x4.splat(0);
    const end = min<i32>(vectors, start + 256);
    for (let i = start; i < end; i += 4) {
      const value = f32x4.sub(v128.load(at + 4 * i), means);
      v128.store(at + 4 * i, value);
      sums = f32x4.add(sums, f32x4.mul(value, value));
    }
    squares += across(sums);
  }
  for (let i = vectors; i < count; i++) {
    const value = load<f32>(at + 4 * i) - mean;
    store<f32>(at + 4 * i, value);
    squares += <f64>(value * value);
  }
  return squares;
}

function scaled(at: i32, count: i32, scale: f32): void {
  const vectors = count & ~3;
  const scales = f32x4.splat(scale);
  for (let i = 0; i < 4 * vectors; i += 16) v128.store(at + i, f32x4.mul(v128.load(at + i), scales));
  for (let i = 4 * vectors; i < 4 * count; i += 4) store<f32>(at + i, load<f32>(at + i) * scale);
}

function across(sums: v128): f64 {
  return (
    <f64>f32x4.extract_lane(sums, 0) + <f64>f32x4.extract_lane(sums, 1) + (<f64>f32x4.extract_lane(sums, 2) + <f64>f32x4.extract_lane(sums, 3))
  );
}
