/**
 * The page's data: columns packed by tasks/prompt_map/columns.py.
 *
 * @typedef {Object} MapData
 * @property {number} n points on the page
 * @property {number} total prompts in the data
 * @property {string[]} ids
 * @property {string[]} prompts to 2,000 characters
 * @property {Uint32Array} lengths characters of the whole prompts
 * @property {{name: string, colour: string}[]} sources
 * @property {Uint16Array} source
 * @property {string[][]} clusters keywords of each
 * @property {Int16Array} cluster -1: none
 * @property {Float32Array} solid [n, 3] in [-1, 1]
 * @property {Float32Array} flat [n, 3] in [-1, 1], the third 0
 * @property {Float32Array} density
 * @property {Float32Array} densities what stands for all prompts' densities
 * @property {Float32Array=} reward NaN where unknown
 * @property {Uint32Array|Uint16Array} neighbour [n, k] rows
 * @property {Uint8Array} cosine [n, k] in 1/255
 * @property {number} k
 * @property {{alpha: number, floor: number, cap: number}} weighting
 */

/** @param {string} base64 @returns {Promise<MapData>} */
export async function readData(base64) {
  const packed = Uint8Array.fromBase64?.(base64) ?? Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const whole = await new Response(stream).arrayBuffer();
  const start = 4 + new DataView(whole).getUint32(0, true);
  const { columns, ...head } = JSON.parse(new TextDecoder().decode(new Uint8Array(whole, 4, start - 4)));
  for (const [name, at] of Object.entries(columns)) {
    head[name] = new globalThis[at.type](whole, start + at.offset, at.length);
  }
  return {
    ...head,
    n: head.ids.length,
    k: head.neighbour.length / head.ids.length,
    solid: Float32Array.from(head.solid, unquantised),
    flat: flatInSpace(head.flat),
    densities: head.densities ?? head.density,
  };
}

const unquantised = (step) => step / 32767;

/** [n, 2] places as [n, 3] in the plane z = 0, so that one camera serves both views. */
function flatInSpace(flat) {
  const places = new Float32Array((flat.length / 2) * 3);
  for (let row = 0; row < flat.length / 2; row++) {
    places[3 * row] = unquantised(flat[2 * row]);
    places[3 * row + 1] = unquantised(flat[2 * row + 1]);
  }
  return places;
}

/** For each cluster the member nearest to its middle, where its label stands. @returns {Uint32Array} rows */
export function medoids(places, cluster, count) {
  const middle = new Float64Array(4 * count);
  const eachMember = (use) => cluster.forEach((of, row) => of >= 0 && use(of, 3 * row));
  eachMember((of, at) => {
    for (let axis = 0; axis < 3; axis++) middle[4 * of + axis] += places[at + axis];
    middle[4 * of + 3] += 1;
  });
  const nearest = new Float64Array(count).fill(Infinity);
  const rows = new Uint32Array(count);
  eachMember((of, at) => {
    let distance = 0;
    for (let axis = 0; axis < 3; axis++) distance += (places[at + axis] - middle[4 * of + axis] / middle[4 * of + 3]) ** 2;
    if (distance < nearest[of]) [nearest[of], rows[of]] = [distance, at / 3];
  });
  return rows;
}
