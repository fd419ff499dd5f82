/** One number per trainable value of the network, held by TensorFlow as one variable per parameter: weights, moments, averages. */
import type { Handle, Kernels } from './kernels.js';
import type { Layout, Slot } from './weights.js';

export class Variables {
  private readonly byName = new Map<string, { slot: Slot; variable: Handle }>();

  /** @param values flat, in the layout's order; zeros if absent. */
  constructor(
    private readonly kernels: Kernels,
    readonly layout: Layout,
    values?: Float32Array,
  ) {
    for (const slot of layout.slots.values()) {
      if (slot.spec.trainable) this.byName.set(slot.spec.name, { slot, variable: kernels.variable(slot.shape) });
    }
    this.write(values ?? new Float32Array(layout.trainableCount));
  }

  /** The variable of a parameter, for kernels that update it. */
  of(name: string): Handle {
    const found = this.byName.get(name);
    if (!found) throw new Error(`no variable for ${name}`);
    return found.variable;
  }

  /** A parameter's value, no copy; freed by the next sweep. */
  read(name: string): Handle {
    return this.kernels.read(this.of(name));
  }

  /** Sets all from a flat array. */
  write(values: Float32Array): void {
    for (const { slot, variable } of this.byName.values()) {
      this.kernels.assign(variable, values.subarray(slot.start, slot.start + slot.length), slot.shape);
    }
  }

  /** Copies all into a flat array. */
  copyTo(values: Float32Array): void {
    for (const { slot, variable } of this.byName.values()) {
      const value = this.kernels.read(variable);
      values.set(this.kernels.values(value), slot.start);
      this.kernels.free(value);
    }
  }

  fill(value: number): void {
    this.write(new Float32Array(this.layout.trainableCount).fill(value));
  }

  dispose(): void {
    for (const { variable } of this.byName.values()) this.kernels.destroy(variable);
    this.byName.clear();
  }
}
