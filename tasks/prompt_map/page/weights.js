/**
 * Sampling weights from density, as tasks/density/weights.py has them: w ∝ min(v, cap · median(v)),
 * v = (floor + max(0, density))^-alpha, mean 1 over all prompts.
 *
 * @param {Float32Array} density of the points
 * @param {Float32Array} densities of all prompts, or quantiles of them
 * @returns {{weight: Float32Array, ess: number}} ess: effective sample size (Kish 1965) as a share of all prompts
 */
export function weigh(density, densities, { alpha, floor, cap }) {
  const log = (of) => -alpha * Math.log(floor + Math.max(0, of));
  const median = log(densities.toSorted()[Math.ceil((densities.length - 1) / 2)]);
  const capped = (of) => Math.exp(Math.min(log(of) - median, Math.log(cap)));
  let sum = 0;
  let squares = 0;
  for (const of of densities) {
    const value = capped(of);
    sum += value;
    squares += value * value;
  }
  const mean = sum / densities.length;
  return { weight: density.map((of) => capped(of) / mean), ess: sum ** 2 / squares / densities.length };
}
