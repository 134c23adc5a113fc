// The engine of a page: it turns a seed into numbers and these, step by step, into an image.
// tools/page.py puts it into page.html.

let content; // what page.py says of the generator

// ---- the numbers of a seed: those of NumPy's RandomState, a Mersenne Twister (MT19937)

function randomState(seed) {
  const key = new Uint32Array(624);
  let position = 624; // of the next number in the key, which is renewed where it ends
  const spare = [];
  key[0] = seed;
  for (let k = 1; k < 624; k++) {
    key[k] = Math.imul(1812433253, key[k - 1] ^ key[k - 1] >>> 30) + k;
  }
  function renew() {
    for (let k = 0; k < 624; k++) {
      const y = key[k] & 0x80000000 | key[(k + 1) % 624] & 0x7fffffff;
      const twist = y & 1 ? 0x9908b0df : 0;
      key[k] = key[(k + 397) % 624] ^ y >>> 1 ^ twist;
    }
    position = 0;
  }
  function bits() { // 32 of them
    if (position === 624) renew();
    let y = key[position];
    position++;
    y ^= y >>> 11;
    y ^= y << 7 & 0x9d2c5680;
    y ^= y << 15 & 0xefc60000;
    return (y ^ y >>> 18) >>> 0;
  }
  function uniform() { // in [0, 1)
    const high = bits() >>> 5;
    const low = bits() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }
  function normal() { // N(0, 1), by Marsaglia's polar method, which makes two at a time
    if (spare.length) return spare.pop();
    let x, y, square;
    do {
      x = 2 * uniform() - 1;
      y = 2 * uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const factor = Math.sqrt(-2 * Math.log(square) / square);
    spare.push(factor * x);
    return factor * y;
  }
  return { uniform, normal };
}

function latentPoint(seed) { // as generate_latent_points in sampling/points.py
  const random = randomState(seed);
  const { normal, uniform } = content;
  const point = new Float32Array(normal.length + uniform.length + content["one-hot"].length);
  for (const column of normal) point[column] = random.normal();
  for (const column of uniform) point[column] = 2 * random.uniform() - 1;
  return point;
}

function between(a, b, t) { // as in sampling/points.py: normal noise goes along a great circle
  const point = a.map((x, k) => (1 - t) * x + t * b[k]);
  const dot = (x, y) => content.normal.reduce((sum, k) => sum + x[k] * y[k], 0);
  const cosine = dot(a, b) / Math.max(Math.sqrt(dot(a, a) * dot(b, b)), 1e-9);
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  const sine = Math.sin(angle);
  if (sine <= 1e-6) return point;
  for (const k of content.normal) {
    point[k] = (Math.sin((1 - t) * angle) * a[k] + Math.sin(t * angle) * b[k]) / sine;
  }
  return point;
}

// On the way between two seeds, or in the square that four have for corners, those above first.
function pointAt(seeds, [across, down]) {
  const corners = seeds.map(latentPoint);
  const above = between(corners[0], corners[1], across);
  if (seeds.length === 2) return above;
  return between(above, between(corners[2], corners[3], across), down);
}

// ---- convolutions: every pixel of the input, a row of `depth` channels, is multiplied by the
// kernel, a matrix, and the products are added up where they fall. Dense has a kernel of 1 x 1.

// Multiply rows (n x depth) by a matrix, which lies in panels: four columns side by side, from top
// to bottom, then the next four, so that it is read in one go. Eight sums at a time, of two rows
// and four columns, stay in registers: of six numbers read it makes eight products.
function multiply(rows, depth, panels) {
  const n = rows.length / depth;
  const width = panels.length / depth;
  const out = new Float32Array((n + 1) * width); // with room for the second row of the last two
  for (let c = 0; c < width; c += 4) for (let r = 0; r < n; r += 2) {
    let p = r * depth; // where the first row begins, and below the second, if there is one
    let q = r + 1 < n ? p + depth : p;
    let w = c * depth;
    let p0 = 0, p1 = 0, p2 = 0, p3 = 0;
    let q0 = 0, q1 = 0, q2 = 0, q3 = 0;
    for (const end = p + depth; p < end; p++, q++, w += 4) {
      const a = rows[p];
      const b = rows[q];
      const w0 = panels[w], w1 = panels[w + 1], w2 = panels[w + 2], w3 = panels[w + 3];
      p0 += a * w0; p1 += a * w1; p2 += a * w2; p3 += a * w3;
      q0 += b * w0; q1 += b * w1; q2 += b * w2; q3 += b * w3;
    }
    const o = r * width + c;
    out[o] = p0; out[o + 1] = p1; out[o + 2] = p2; out[o + 3] = p3;
    const below = o + width;
    out[below] = q0; out[below + 1] = q1; out[below + 2] = q2; out[below + 3] = q3;
  }
  return out;
}

// (height, width, depth) -> (tall, wide, columns). A transposed convolution spreads the pixels of
// its input with the strides; another one has the strides between the pixels of its output.
function convolve({ kind, input, shape, kernel, strides, pads, panels, bias }, pixels) {
  const [height, width, depth] = input;
  const [tall, wide, columns] = shape;
  const spreads = kind === "Conv2DTranspose";
  function target(place, tap, axis) { // where a product falls; no whole number: nowhere
    if (spreads) return place * strides[axis] + tap - pads[axis];
    return (place + pads[axis] - tap) / strides[axis];
  }
  const products = multiply(pixels, depth, panels);
  const perPixel = panels.length / depth; // products
  const out = new Float32Array(tall * wide * columns);
  for (let k = 0; k < out.length; k++) out[k] = bias[k % columns];
  for (let i = 0; i < height; i++) for (let j = 0; j < width; j++) {
    for (let tap = 0; tap < kernel[0] * kernel[1]; tap++) {
      const y = target(i, Math.floor(tap / kernel[1]), 0);
      const x = target(j, tap % kernel[1], 1);
      if (y % 1 || x % 1 || y < 0 || y >= tall || x < 0 || x >= wide) continue; // no pixel there
      const p = (i * width + j) * perPixel + tap * columns;
      const o = (y * wide + x) * columns;
      for (let c = 0; c < columns; c++) out[o + c] += products[p + c];
    }
  }
  return out;
}

// ---- activations, each of one number and the step's settings, as Keras calculates them

const clip = (v, low, high) => Math.min(Math.max(v, low), high);
const sigmoid = v => 1 / (1 + Math.exp(-v));
const softplus = v => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)));

function erf(v) { // to 1.5e-7: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26
  const t = 1 / (1 + 0.3275911 * Math.abs(v));
  let sum = 1.061405429 * t - 1.453152027;
  sum = sum * t + 1.421413741;
  sum = sum * t - 0.284496736;
  sum = sum * t + 0.254829592;
  return Math.sign(v) * (1 - sum * t * Math.exp(-v * v));
}

const ACTIVATIONS = {
  leaky: (v, { slope }) => v < 0 ? v * slope : v,
  ReLU: (v, { slope, threshold, top }) => // with limits; a top of null is none
    v > threshold ? Math.min(v, top ?? Infinity) : slope * (v - threshold),
  ELU: (v, { alpha }) => v < 0 ? alpha * Math.expm1(v) : v,
  celu: v => v < 0 ? Math.expm1(v) : v,
  exponential: v => Math.exp(v),
  gelu: v => v / 2 * (1 + erf(v * Math.SQRT1_2)),
  hard_shrink: v => Math.abs(v) > 0.5 ? v : 0,
  hard_sigmoid: v => clip(v / 6 + 0.5, 0, 1),
  hard_silu: v => v * clip(v / 6 + 0.5, 0, 1),
  hard_tanh: v => clip(v, -1, 1),
  log_sigmoid: v => -softplus(-v),
  mish: v => v * Math.tanh(softplus(v)),
  relu6: v => clip(v, 0, 6),
  selu: v => 1.0507009873554805 * (v < 0 ? 1.6732632423543772 * Math.expm1(v) : v),
  sigmoid,
  silu: v => v * sigmoid(v),
  soft_shrink: v => Math.sign(v) * Math.max(Math.abs(v) - 0.5, 0),
  softplus,
  softsign: v => v / (1 + Math.abs(v)),
  sparse_plus: v => v < 1 ? Math.max(v + 1, 0) ** 2 / 4 : v,
  sparse_sigmoid: v => clip((v + 1) / 2, 0, 1),
  squareplus: v => (v + Math.sqrt(v * v + 4)) / 2,
  tanh: v => Math.tanh(v),
  tanh_shrink: v => v - Math.tanh(v),
};

// ---- the steps: each takes results of earlier ones, Float32Array, and gives one

const STEPS = {
  Same: (step, x) => x,
  PReLU: ({ scale, columns }, x) => x.map((v, k) => v < 0 ? v * scale[k % columns] : v),
  BatchNormalization: ({ scale, bias, columns }, x) => // where it could not be folded
    x.map((v, k) => v * scale[k % columns] + bias[k % columns]),
  Dense: convolve,
  Conv2D: convolve,
  Conv2DTranspose: convolve,
  Multiply: (step, ...inputs) => inputs.reduce((x, y) => x.map((v, k) => v * y[k])),
  Embedding(step, [label]) { // a row of its matrix
    const hot = new Float32Array(step.input[2]);
    hot[label] = 1;
    return convolve(step, hot);
  },
  Concatenate({ runs }, ...inputs) { // a run of each in turn, until the end
    const together = runs.reduce((sum, run) => sum + run);
    const out = new Float32Array(together * inputs[0].length / runs[0]);
    let begin = 0; // of an input's runs
    inputs.forEach((input, i) => {
      for (let k = 0; k < input.length; k += runs[i]) {
        out.set(input.subarray(k, k + runs[i]), begin + k / runs[i] * together);
      }
      begin += runs[i];
    });
    return out;
  },
  UpSampling2D({ input: [height, width, channels], size: [tall, wide] }, x) { // nearest
    const out = new Float32Array(x.length * tall * wide);
    let o = 0;
    for (let i = 0; i < height * tall; i++) for (let j = 0; j < width * wide; j++) {
      const p = (Math.floor(i / tall) * width + Math.floor(j / wide)) * channels;
      out.set(x.subarray(p, p + channels), o);
      o += channels;
    }
    return out;
  },
};

function take(step, results) { // a step, and return its result
  const inputs = step.from.map(k => results[k]);
  const activation = ACTIVATIONS[step.kind];
  if (activation) return inputs[0].map(v => activation(v, step));
  return STEPS[step.kind](step, ...inputs);
}

// ---- the weights: float32 and behind them float16, in pieces of base64

function bytesOf(pieces) {
  const parts = pieces.map(atob);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let begin = 0;
  for (const part of parts) {
    for (let k = 0; k < part.length; k++) bytes[begin + k] = part.charCodeAt(k);
    begin += part.length;
  }
  return bytes;
}

function valueOfHalf(half) { // what a float16 means
  const sign = half >> 15 ? -1 : 1;
  const exponent = half >> 10 & 31;
  const share = (half & 1023) / 1024;
  if (exponent === 0) return sign * share / 16384;
  return sign * (1 + share) * 2 ** (exponent - 15);
}

function prepare(data) { // put the weights into the steps
  content = data.content;
  const { buffer } = bytesOf(data.weights);
  const singles = new Float32Array(buffer, 0, content.singles);
  const halves = new Uint16Array(buffer, 4 * content.singles);
  const values = Float32Array.from({ length: 65536 }, (_, half) => valueOfHalf(half));
  for (const step of content.steps) {
    for (const key of ["scale", "bias"]) {
      if (key in step) step[key] = singles.subarray(step[key], step[key] + step.columns);
    }
    if (!("matrix" in step)) continue;
    const depth = step.input[2];
    const width = step.kernel[0] * step.kernel[1] * step.columns;
    step.panels = new Float32Array(depth * Math.ceil(width / 4) * 4);
    for (let k = 0; k < depth; k++) for (let c = 0; c < width; c++) {
      const panel = (c >> 2) * 4 * depth;
      const weight = values[halves[step.matrix + k * width + c]];
      step.panels[panel + 4 * k + (c & 3)] = weight * step.scale[c % step.columns];
    }
  }
}

// Draw the point at a place between two or four seeds, each number of it 0 to 1; codes that are not
// null replace its own. Returns the pixels, 0 to 255, row by row, and the codes.
function draw({ seeds, place, label, codes }) {
  const begin = performance.now();
  const point = pointAt(seeds, place);
  codes.forEach((code, k) => {
    if (code !== null) point[content.codes[k]] = code;
  });
  if (content["one-hot"].length) {
    const category = content.order[label];
    point[content["one-hot"][category]] = 1;
  }
  const results = [point, Float32Array.of(label)];
  for (const step of content.steps.slice(2)) results.push(take(step, results));
  const [low, high] = content.range;
  const pixels = Uint8ClampedArray.from(results[content.last], v => 255 * (v - low) / (high - low));
  const shown = content.codes.map(column => point[column]);
  return { pixels, codes: shown, milliseconds: performance.now() - begin };
}

onmessage = ({ data }) => { // first the generator, then one request after the other
  if (data.weights) prepare(data);
  else postMessage(draw(data));
};
